// Shared by the commands: opening an environment with progress and interruption, and printing a report as text or JSON.
import { messageOf } from "../error.ts";
import type { Emit, EnvironmentTarget, OpenOptions } from "../index.ts";
import { interruptible } from "./interruption.ts";
import { printProgress } from "./print/progress.ts";
import { printJson, printOut } from "./print/terminal.ts";

/** Options that many commands have. */
export interface CommonOptions {
  json?: boolean;
  verbose?: boolean;
  wait?: boolean;
}

/** For commands that only read: no progress, and an interruption ends them at once. */
export async function openToRead(name: string, options: Pick<OpenOptions, "folder" | "removing"> = {}): Promise<EnvironmentTarget> {
  const { openEnvironment } = await import("../index.ts");
  return openEnvironment(name, options);
}

type ActingOptions = CommonOptions & Pick<OpenOptions, "removing">;

/** For commands that change one environment of the app found here. */
export const operate = <T>(name: string, options: ActingOptions, work: (environment: EnvironmentTarget) => Promise<T>): Promise<T> =>
  perform({ name }, options, async (context) => {
    const { openEnvironment } = await import("../index.ts");
    return work(await openEnvironment(name, { ...context, removing: options.removing }));
  });

/**
 * Runs work that changes an environment, with its progress on stderr.
 * Rejects with INTERRUPTED, saying what stands, when the user stopped it.
 */
export function perform<T>(
  environment: { name: string; folder?: string },
  options: CommonOptions,
  work: (context: { emit: Emit; signal: AbortSignal; wait?: boolean }) => Promise<T>,
): Promise<T> {
  return interruptible(async (signal) => {
    const progress = printProgress({ output: options.verbose ? "show" : "hide" });
    try {
      return await work({ emit: progress.emit, signal, wait: options.wait });
    } catch (error) {
      progress.end();
      throw signal.aborted ? await interrupted(environment, signal, error) : error;
    } finally {
      progress.end();
    }
  });
}

export function report<T>(options: CommonOptions, value: T, describe: (value: T) => string): void {
  if (options.json) printJson(value ?? null);
  else printOut(describe(value));
}

/** The library's own account when it has one, else what the environment says of itself now. */
async function interrupted({ name, folder }: { name: string; folder?: string }, signal: AbortSignal, error: unknown) {
  const { LandfallError } = await import("../index.ts");
  if (error instanceof LandfallError && error.code === "INTERRUPTED") return error;
  return new LandfallError({
    code: "INTERRUPTED",
    what: `the operation on environment "${name}" was ${messageOf(signal.reason)}`,
    why: error instanceof LandfallError ? error.parts.what : undefined,
    ...(await observeStanding(name, folder)),
    cause: error,
  });
}

async function observeStanding(name: string, folder: string | undefined): Promise<{ standing: string; next?: string }> {
  try {
    const status = await (await openToRead(name, { folder })).status();
    if (!status.commissioned) return { standing: `"${name}" is not commissioned; nothing serves.`, next: `landfall commission ${name}` };
    const healthy = status.services.filter(({ kind }) => kind !== "job").map((service) => `${service.healthy} of ${service.wanted} ${service.name}`);
    const standing = status.release
      ? `Release ${status.release} stands, healthy: ${healthy.join(", ") || "nothing to run"}.`
      : "No release stands yet.";
    return { standing, next: status.unfinished ? `landfall resume ${name}   or   landfall abort ${name}` : undefined };
  } catch {
    return { standing: "What ran before goes on running.", next: `landfall status ${name}` };
  }
}
