// The front door: finds the configuration, picks the target. The only file that knows which targets there are.
import { deploymentOf } from "./config/deployment.ts";
import { findConfig, loadConfig, loadConfigFor } from "./config/load.ts";
import { assertNamedFiles } from "./config/named-files.ts";
import type { App } from "./config/schema.ts";
import { LandfallError, present } from "./error.ts";
import type { Emit } from "./progress.ts";
import type { CheckReport, EnvironmentEntry, RehearsalReport } from "./reports.ts";
import type { Strategy } from "./rollout/strategy.ts";
import { openMasked } from "./targets/masked.ts";
import type { EnvironmentTarget } from "./targets/target.ts";
import { hideIn, hidePasswords } from "./text/mask.ts";
import { suggest } from "./text/suggest.ts";

export interface OpenOptions {
  /** Where to look for the configuration: this folder, then those above it. Default: the working folder. */
  folder?: string;
  emit?: Emit;
  /** Ends long work at the next safe point. */
  signal?: AbortSignal;
  /** Wait for an operation that is under way on the environment, instead of rejecting with LEASE_HELD. */
  wait?: boolean;
  /** To remove it: mistakes of the configuration that are in nothing of this environment are passed over. */
  removing?: boolean;
}

/**
 * Opens one environment of the app found in `folder`.
 * Errors: CONFIG_* for what is wrong in the file, ENVIRONMENT_UNKNOWN.
 *
 * @example const local = await openEnvironment("local"); await local.commission(); await local.deploy({});
 */
export async function openEnvironment(name: string, options: OpenOptions = {}): Promise<EnvironmentTarget> {
  const load = options.removing ? (file: string) => loadConfigFor(name, file) : loadConfig;
  const { app, folder } = await load(findConfig(options.folder ?? process.cwd()));
  const environment = Object.hasOwn(app.environments, name) ? app.environments[name] : undefined;
  if (!environment) throw unknownEnvironment(name, Object.keys(app.environments));
  const input = { deployment: deploymentOf(app, name), folder, emit: options.emit ?? (() => {}), signal: options.signal, wait: options.wait };
  const open =
    environment.target === "aws" ? (await import("./targets/aws/target.ts")).openAws : (await import("./targets/local/target.ts")).openLocal;
  return openMasked(open, input);
}

/** All environments of this machine, of whatever app. */
export async function listEnvironments(): Promise<EnvironmentEntry[]> {
  return (await import("./targets/local/queries/list.ts")).listLocal();
}

/** Finds mistakes without changing anything; rejects with all problems of the file. */
export async function check(options: OpenOptions = {}): Promise<CheckReport> {
  const { app, file, folder } = await loadConfig(findConfig(options.folder ?? process.cwd()));
  assertNamedFiles(app, folder);
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
  /** `rolling` and `blueGreen` when left out. */
  strategies?: Strategy[];
  /** Release the working tree as it is. */
  dirty?: boolean;
  /** A git reference: the release that serves before. Without one the release is rolled out over itself. */
  from?: string;
}

/**
 * Tries a rollout on machines booted on this one: of an environment, or of one service in the first environment on AWS (or the first one).
 * Needs Linux and root. Errors: REHEARSAL_IMPOSSIBLE, SERVICE_UNKNOWN for what is neither, and all that a deploy can fail with.
 */
export async function rehearse(name: string, options: RehearseOptions = {}): Promise<RehearsalReport> {
  const { app, folder } = await loadConfig(findConfig(options.folder ?? process.cwd()));
  const environments = Object.keys(app.environments);
  const isEnvironment = environments.includes(name);
  if (!isEnvironment && !Object.hasOwn(app.services, name)) throw nothingToRehearse(name, environments, Object.keys(app.services));
  const environment = isEnvironment
    ? name
    : (environments.find((id) => app.environments[id]?.target === "aws") ?? present(environments[0], "environment"));
  const { max = 5, rate = 20, strategies = ["rolling", "blueGreen"], dirty = false, from, signal, wait } = options;
  const emit: Emit = (progress) => options.emit?.(hideIn(progress, hidePasswords));
  const services = isEnvironment ? undefined : [name];
  return (await import("./rehearse/rehearse.ts")).rehearse({
    deployment: deploymentOf(app, environment),
    folder,
    services,
    max,
    rate,
    strategies,
    dirty,
    from,
    emit,
    signal,
    wait,
  });
}

async function awsNotesOf(app: App): Promise<string[]> {
  const names = Object.keys(app.environments).filter((name) => app.environments[name]?.target === "aws");
  if (names.length === 0) return [];
  const { awsNotes } = await import("./targets/aws/queries/check-notes.ts");
  return names.flatMap((name) => awsNotes(deploymentOf(app, name)));
}

function unknownEnvironment(name: string, names: string[]): LandfallError {
  const meant = suggest(name, names);
  return new LandfallError({
    code: "ENVIRONMENT_UNKNOWN",
    what: `there is no environment "${name}" in this app`,
    why: `landfall.config.ts has ${names.map((id) => `"${id}"`).join(", ")}`,
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
