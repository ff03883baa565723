// The front door: finds the configuration, picks the target. The only file that knows which targets there are.
import { appIn } from "./config/app.ts";
import { findConfig, loadConfig } from "./config/load.ts";
import type { App } from "./config/schema.ts";
import { LandfallError } from "./error.ts";
import type { Emit } from "./progress.ts";
import { nearest } from "./release/nearest.ts";
import type { CheckReport, RehearsalReport } from "./reports.ts";
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

export interface RehearseOptions extends OpenOptions {
  /** No fleet has more machines; 5 when left out. */
  max?: number;
  /** Requests a second; 20 when left out. */
  rate?: number;
  /** `rolling`, `blueGreen`; both when left out. */
  strategies?: ("rolling" | "blueGreen")[];
  /** Release the working tree as it is. */
  dirty?: boolean;
  /** A git reference: the release that serves before. Without one the release is rolled out over itself. */
  from?: string;
}

/**
 * Tries a rollout on machines booted on this one: of an environment, or of one service in the first environment on AWS (or the first one).
 * Needs Linux and root. Errors: REHEARSAL_IMPOSSIBLE, SERVICE_UNKNOWN for what is neither, and all that a deploy can fail with.
 *
 * @example (await rehearse("production", { from: "v1.4.0" })).lost // 0
 */
export async function rehearse(name: string, options: RehearseOptions = {}): Promise<RehearsalReport> {
  const { app, folder } = await loadConfig(findConfig(options.folder ?? process.cwd()));
  const environments = Object.keys(app.environments);
  const isEnvironment = environments.includes(name);
  if (!isEnvironment && !Object.hasOwn(app.services, name)) throw nothingToRehearse(name, environments, Object.keys(app.services));
  const environment = isEnvironment ? name : (environments.find((one) => app.environments[one]?.target === "aws") ?? (environments[0] as string));
  const { max = 5, rate = 20, strategies = ["rolling", "blueGreen"], dirty = false, from, emit = () => {}, signal } = options;
  const services = isEnvironment ? undefined : [name];
  return (await import("./rehearse/rehearse.ts")).rehearse({
    app: appIn(app, environment),
    folder,
    services,
    max,
    rate,
    strategies,
    dirty,
    from,
    emit,
    signal,
  });
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

const nothingToRehearse = (name: string, environments: string[], services: string[]) =>
  new LandfallError({
    code: "SERVICE_UNKNOWN",
    what: `there is neither an environment nor a service "${name}" in this app`,
    why: `landfall.config.ts has the environments ${environments.join(", ")} and the services ${services.join(", ")}`,
    standing: "Nothing was changed.",
  });
