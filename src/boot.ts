// The environments of this machine that start and stop with it.

import { type OpenOptions, openEnvironment } from "./app.ts";
import { deploymentOf } from "./config/deployment.ts";
import { findConfig, loadConfig } from "./config/load.ts";
import { LandfallError } from "./error.ts";
import type { BootReport, RecoveryReport, StopReport } from "./reports.ts";

/**
 * The unit of systemd for an environment that stands on this machine. Writes nothing. `command` is the program that it calls, with its first arguments.
 * Errors: ENVIRONMENT_UNKNOWN, ENVIRONMENT_NOT_COMMISSIONED; USAGE for one on AWS, whose machines start by themselves.
 */
export async function describeBoot(name: string, command: string[], options: OpenOptions = {}): Promise<BootReport> {
  const context = await openHere(name, options);
  return (await import("./targets/local/operations/boot.ts")).describeBoot(context, command);
}

/** What the unit does when the machine starts: undoes a deploy that went down with it, finishes what else did, and brings back what stood. */
export async function startAtBoot(name: string, options: OpenOptions = {}): Promise<RecoveryReport> {
  const context = await openHere(name, options);
  return (await import("./targets/local/operations/boot.ts")).startAtBoot(context);
}

/** What the unit does before the machine goes down: stops all processes in order, and keeps everything else for `startAtBoot` or `resume`. */
export async function stopAtBoot(name: string, options: OpenOptions = {}): Promise<StopReport> {
  const context = await openHere(name, options);
  return (await import("./targets/local/operations/boot.ts")).stopAtBoot(context);
}

async function openHere(name: string, options: OpenOptions) {
  const { app, folder } = await loadConfig(findConfig(options.folder ?? process.cwd()));
  // Refuses what is no environment of the app.
  await openEnvironment(name, options);
  const deployment = deploymentOf(app, name);
  if (deployment.settings.target !== "local") throw startsByItself(name);
  const { makeContext } = await import("./targets/local/context.ts");
  return makeContext({ deployment, folder, emit: options.emit ?? (() => {}), signal: options.signal, wait: options.wait });
}

const startsByItself = (name: string) =>
  new LandfallError({
    code: "USAGE",
    what: `environment "${name}" is not on this machine`,
    why: "it is on AWS, which starts its machines by itself",
    standing: "Nothing was changed.",
  });
