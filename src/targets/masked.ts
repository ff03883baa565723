// One door for both targets: what leaves them, events and reports, holds no password of a URL. Errors mask themselves. What the app itself
// says, in its logs and to `exec`, stays as it is.
import type { Emit } from "../progress.ts";
import { hideIn, hidePasswords } from "../text/mask.ts";
import type { EnvironmentTarget, OpenTarget, TargetInput } from "./target.ts";

/** `secrets` gives names. */
const UNCHANGED: readonly (keyof EnvironmentTarget)[] = ["logs", "secrets"];

export function openMasked(open: OpenTarget, input: TargetInput): EnvironmentTarget {
  const emit: Emit = (progress) => input.emit(hideIn(progress, hidePasswords));
  const methods = Object.entries(open({ ...input, emit })) as [keyof EnvironmentTarget, (...args: unknown[]) => Promise<unknown>][];
  const masked = methods.map(([name, act]) => [
    name,
    UNCHANGED.includes(name) ? act : async (...args: unknown[]) => hideIn(await act(...args), hidePasswords),
  ]);
  return Object.fromEntries(masked) as EnvironmentTarget;
}
