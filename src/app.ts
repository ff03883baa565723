// The front door: finds the configuration, picks the target. The only file that knows which targets there are.
import { appIn } from "./config/app.ts";
import { findConfig, loadConfig } from "./config/load.ts";
import type { App } from "./config/schema.ts";
import { LandfallError } from "./error.ts";
import type { Emit } from "./progress.ts";
import { nearest } from "./release/nearest.ts";
import type { CheckReport } from "./reports.ts";
import type { EnvironmentTarget } from "./targets/target.ts";

export interface OpenOptions {
  /** Where to look for the configuration: this folder, then those above it. Default: the working folder. */
  folder?: string;
  emit?: Emit;
  /** Ends long work at the next safe point. */
  signal?: AbortSignal;
  /** Wait for an operation that is under way on the environment, instead of rejecting with LEASE_HELD. */
  wait?: boolean;
}

/**
 * Opens one environment of the app found in `folder`.
 * Errors: CONFIG_* for what is wrong in the file, ENVIRONMENT_UNKNOWN.
 *
 * @example const staging = await openEnvironment("staging"); await staging.deploy({});
 */
export async function openEnvironment(name: string, options: OpenOptions = {}): Promise<EnvironmentTarget> {
  const { app, folder } = await loadConfig(findConfig(options.folder ?? process.cwd()));
  const environment = Object.hasOwn(app.environments, name) ? app.environments[name] : undefined;
  if (!environment) throw unknownEnvironment(name, Object.keys(app.environments));
  const input = { app: appIn(app, name), folder, emit: options.emit ?? (() => {}), signal: options.signal, wait: options.wait };
  if (environment.target === "aws") return (await import("./targets/aws/target.ts")).openAws(input);
  return (await import("./targets/local/target.ts")).openLocal(input);
}

/** Everything that can be known to be wrong without changing anything; rejects with all problems of the file. */
export async function check(options: OpenOptions = {}): Promise<CheckReport> {
  const { app, file } = await loadConfig(findConfig(options.folder ?? process.cwd()));
  return {
    file,
    app: app.name,
    services: Object.keys(app.services),
    resources: Object.keys(app.resources),
    environments: Object.keys(app.environments),
    notes: await awsNotesOf(app),
  };
}

async function awsNotesOf(app: App): Promise<string[]> {
  const names = Object.keys(app.environments).filter((name) => app.environments[name]?.target === "aws");
  if (names.length === 0) return [];
  const { awsNotes } = await import("./targets/aws/notes.ts");
  return names.flatMap((name) => awsNotes(appIn(app, name)));
}

function unknownEnvironment(name: string, known: string[]): LandfallError {
  const [meant] = nearest(name, known);
  return new LandfallError({
    code: "ENVIRONMENT_UNKNOWN",
    what: `there is no environment "${name}" in this app`,
    why: `landfall.config.ts has ${known.map((id) => `"${id}"`).join(", ")}`,
    standing: "Nothing was changed.",
    next: meant === undefined ? `use one of those, or add "${name}" under environments` : `did you mean "${meant}"?`,
  });
}
