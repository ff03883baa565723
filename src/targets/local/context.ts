// The context of every operation of the local target.
import type { Deployment } from "../../config/deployment.ts";
import type { Emit } from "../../progress.ts";
import { type Clock, systemClock } from "../../system/clock.ts";

import { findHome } from "../../system/home.ts";
import type { Hide } from "../../text/mask.ts";
import type { TargetInput } from "../target.ts";
import { hiderOf } from "./data/secret-store.ts";
import { type Paths, pathsOf } from "./paths.ts";

export interface Context {
  deployment: Deployment;
  folder: string;
  paths: Paths;
  clock: Clock;
  /** What it is told holds no secret of the environment. */
  emit: Emit;
  /** For the words of others, before they become an event. */
  hide: Hide;
  signal?: AbortSignal;
  wait?: boolean;
}

export function makeContext(input: TargetInput): Context {
  const paths = pathsOf(findHome(), input.deployment.app, input.deployment.environment);
  const hide = hiderOf(paths);
  const emit: Emit = (progress) =>
    input.emit("line" in progress ? { ...progress, line: hide(progress.line) } : { ...progress, text: hide(progress.text) });
  return { ...input, paths, clock: systemClock, hide, emit };
}
