// Preconditions that both targets assert in the same words.
import type { Deployment } from "../config/deployment.ts";
import { type ErrorParts, LandfallError } from "../error.ts";
import { variablesOf } from "../resources/index.ts";
import { describeDuration } from "../text/units.ts";

export function assertKnown(service: string, names: string[]): void {
  if (names.includes(service)) return;
  throw new LandfallError({
    code: "SERVICE_UNKNOWN",
    what: `there is no service "${service}" in this app`,
    why: `it has ${names.map((name) => `"${name}"`).join(", ")}`,
    standing: "Nothing was changed.",
  });
}

/** `standing`: the instances of the service as they are, each in a few words. `wanted`: the one that was asked for. */
export const instanceUnreachable = (environment: string, service: string, { wanted, standing }: { wanted?: string; standing: string[] }) =>
  new LandfallError({
    code: "INSTANCE_UNREACHABLE",
    what:
      wanted === undefined
        ? `service "${service}" of environment "${environment}" has no instance that could run a command`
        : `service "${service}" of environment "${environment}" has no instance "${wanted}"`,
    why: standing.length === 0 ? "none runs" : `they are: ${standing.join(", ")}`,
    standing: "Nothing was changed.",
    next: `landfall status ${environment}`,
  });

interface Veto {
  instance: string;
  /** The address, and the name that it was called by. */
  asked: string;
  answer: string;
  timeoutMs: number;
  /** What serves. */
  release?: string;
  environment: string;
}

export const drainVetoed = ({ instance, asked, answer, timeoutMs, release, environment }: Veto) =>
  new LandfallError({
    code: "DRAIN_VETOED",
    what: `"${instance}" does not allow itself to be stopped`,
    evidence: [
      ["asked", `GET ${asked} for ${describeDuration(timeoutMs)}; 200 is yes`],
      ["answered", answer],
    ],
    standing: `Release ${release ?? ""} is still serving.`,
    next: `landfall deploy ${environment} --force   stops it all the same`,
  });

/** `where`: `on this machine`, `in this account and region`. */
export const notCommissioned = ({ app, environment }: Pick<Deployment, "app" | "environment">, where: string) =>
  new LandfallError({
    code: "ENVIRONMENT_NOT_COMMISSIONED",
    what: `environment "${environment}" of app "${app}" does not stand ${where}`,
    standing: "Nothing was changed.",
    next: `landfall commission ${environment}`,
  });

/** `resources`: each with what is different, in a line. */
export const resourcesNotCommissioned = (
  { app, environment }: Pick<Deployment, "app" | "environment">,
  resources: [name: string, difference: string][],
) =>
  new LandfallError({
    code: "ENVIRONMENT_NOT_COMMISSIONED",
    what: `environment "${environment}" of app "${app}" does not stand as landfall.config.ts has it`,
    evidence: resources.map(([name, difference]) => [`resource ${name}`, difference]),
    why: "A deploy brings a release to the resources that stand, and changes none of them.",
    standing: "Nothing was changed.",
    next: `landfall commission ${environment}`,
  });

/** Refuses an option that names what may be lost, where there is no such thing: it must never seem to be heeded. */
export function assertNoOption(environment: string, option: string, names: string[] | undefined, why: string): void {
  if (!names || names.length === 0) return;
  throw new LandfallError({
    code: "USAGE",
    what: `${option} ${names.join(" ")} is not for environment "${environment}"`,
    why,
    standing: "Nothing was changed.",
    next: `leave ${option} out`,
  });
}

/** Of a service that is new, or has another name, in a canary rollout. */
export const untriedNote = (service: string): string =>
  `service "${service}" is new under this name: no canary of it is tried, since nothing serves that it could be compared with; all of its requests reach it at once, and what served before is kept for the soak`;

/** `serving`: the services of the release that serves; empty where none does. */
export const untriedNotes = ({ rollout, services }: Pick<Deployment, "rollout" | "services">, serving: string[]): string[] =>
  rollout.strategy === "canary" && serving.length > 0
    ? Object.entries(services).flatMap(([name, { kind }]) => (kind === "web" && !serving.includes(name) ? [untriedNote(name)] : []))
    : [];

/** As in the configuration. The name of an object's prototype would be lost on the way into one. */
const SECRET_NAME = /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_]*$/;
/** What Linux lets one variable have: `NAME=value` and the byte that ends it (MAX_ARG_STRLEN). */
const VARIABLE_BYTES_MAX = 128 * 1024;

/** Refuses what no process could be given as a variable, what would never reach one, or what the store does not take: all of it at once. */
export function assertSecrets(values: Record<string, string>, deployment: Deployment, bytesMax = VARIABLE_BYTES_MAX): void {
  const [first, ...more] = Object.entries(values).flatMap(([name, value]) => {
    const refusal = refusalOfName(name) ?? refusalOfShadow(name, deployment) ?? refusalOfValue(name, value, bytesMax);
    return refusal ? [secretRefused(refusal)] : [];
  });
  if (first) throw new LandfallError(first.parts, more);
}

type Refusal = Pick<ErrorParts, "what" | "why" | "next">;

const refusalOfName = (name: string): Refusal | undefined =>
  SECRET_NAME.test(name)
    ? undefined
    : { what: `"${name}" is no name for a secret`, why: "A service gets it as a variable: letters, digits and underscores, no digit first." };

/** Of two variables with one name only one would reach a service, and it would not be the secret. */
function refusalOfShadow(name: string, deployment: Deployment): Refusal | undefined {
  if (secretsUsed(deployment).some(({ secret }) => secret === name)) return undefined;
  const resource = Object.entries(deployment.resources).find(([of, settings]) => variablesOf(of, settings).includes(name))?.[0];
  const giver = name.startsWith("LANDFALL_") ? "Landfall, for each instance" : resource && `resource "${resource}"`;
  return giver === undefined
    ? undefined
    : {
        what: `a secret "${name}" would reach no service`,
        why: `Services have the variable "${name}" from ${giver}.`,
        next: resource && `give it another name, or have the resource take it:  resources.${resource}.url: { secret: "${name}" }`,
      };
}

function refusalOfValue(name: string, value: string, bytesMax: number): Refusal | undefined {
  if (value.includes("\0"))
    return { what: `the value for "${name}" holds a NUL byte`, why: "A variable ends at the first one: no process could be given the rest." };
  const bytes = Buffer.byteLength(value);
  const most = Math.min(bytesMax, VARIABLE_BYTES_MAX - name.length - 2);
  return bytes > most
    ? { what: `the value for "${name}" has ${bytes} bytes`, why: `There is room for ${most}. Files that are larger belong into a bucket.` }
    : undefined;
}

const secretRefused = (refusal: Refusal) => new LandfallError({ code: "SECRET_REFUSED", standing: "Nothing was changed.", ...refusal });

interface GivenSecrets {
  environment: string;
  /** The release that serves. */
  release: string | undefined;
  /** The secrets that it has. */
  given: readonly string[];
}

/** Refuses to remove what the release that serves could not be started again without. */
export function assertRemovable(name: string, { environment, release, given }: GivenSecrets): void {
  const refusal = refusalOfName(name);
  if (refusal) throw secretRefused(refusal);
  if (release === undefined || !given.includes(name)) return;
  throw new LandfallError({
    code: "SECRET_IN_USE",
    what: `the secret "${name}" is not removed: release ${release}, which serves, has it`,
    why: "Its instances could not be started again without it, nor could it be deployed again.",
    standing: "Nothing was changed.",
    next: `take "${name}" out of landfall.config.ts and deploy; or replace its value everywhere:  landfall secrets set ${environment} ${name} --revoke`,
  });
}

interface SecretUse {
  secret: string;
  /** `service "web"` */
  by: string;
}

export type SecretUsers = Pick<Deployment, "services" | "routes" | "resources">;

/** Every secret that services, resources and routes ask for. */
export const secretsUsed = ({ services, routes, resources }: SecretUsers): SecretUse[] => [
  ...Object.entries(services).flatMap(([name, { secrets }]) => secrets.map((secret) => ({ secret, by: `service "${name}"` }))),
  ...Object.entries(resources).flatMap(([name, { url }]) => (typeof url === "object" ? [{ secret: url.secret, by: `resource "${name}"` }] : [])),
  ...routes.flatMap(({ basicAuth }, index) => (basicAuth ? [{ secret: basicAuth.password, by: `route ${index + 1}` }] : [])),
];

/** Refuses what asks for secrets that were never set, naming each. */
export function assertSecretsSet(users: SecretUsers, environment: string, has: (secret: string) => boolean): void {
  const problems = secretsUsed(users)
    .filter(({ secret }) => !has(secret))
    .map(
      ({ by, secret }) =>
        new LandfallError({
          code: "SECRET_MISSING",
          what: `secret "${secret}" of ${by} is not set in environment "${environment}"`,
          standing: "Nothing was changed.",
          next: `landfall secrets set ${environment} ${secret}`,
        }),
    );
  const [first, ...more] = problems;
  if (first) throw new LandfallError(first.parts, more);
}

/** The release whose contract phase ran last, and those that cannot come back since. */
export interface Contracted {
  release: string;
  bars: string[];
}

/** Refuses a release that needs a schema which a contract phase has taken away since. */
export function assertNotBarred(contracted: Contracted | undefined, release: string, serving: string | undefined): void {
  if (!contracted?.bars.includes(release)) return;
  throw new LandfallError({
    code: "RELEASE_BARRED",
    what: `release ${release} cannot come back: the schema it needs is gone`,
    why: `the contract phase of release ${contracted.release} has run since`,
    standing: `Nothing was changed.${serving ? ` Release ${serving} still gets all traffic.` : ""}`,
    next: "deploy a new release that can live with the schema of today",
  });
}

export const nothingToRollBack = (environment: string, serving: string | undefined) =>
  new LandfallError({
    code: "NOTHING_TO_ROLL_BACK",
    what: `environment "${environment}" has no earlier release to go back to`,
    standing: `Nothing was changed.${serving ? ` Release ${serving} is still serving all traffic.` : ""}`,
  });

/** `where`: `on this machine`. `known`: the newest first, each in a line. */
export const releaseUnknown = (id: string, where: string, releases: string[]) =>
  new LandfallError({
    code: "RELEASE_UNKNOWN",
    what: `there is no release "${id}" ${where}`,
    why:
      releases.length > 0
        ? ["These are kept, the newest first:", ...releases.slice(0, 10).map((line) => `  ${line}`)].join("\n")
        : "No release is kept there.",
    standing: "Nothing was changed.",
  });

/** Back by hand, or forward: the phase runs once. */
export const wayOutOfExpand = (environment: string): string =>
  `bring the schema back by  landfall shell ${environment} <service> ; or run  landfall deploy ${environment}  again, which rolls out all the same`;

export const notDeployed = (environment: string) =>
  new LandfallError({
    code: "RELEASE_UNKNOWN",
    what: `no release was deployed to environment "${environment}" yet`,
    standing: "Nothing was changed.",
    next: `landfall deploy ${environment}`,
  });

/** `standing`: what a decommission has done that nothing brings back. */
export const goneTooFar = (environment: string, standing: string) =>
  new LandfallError({
    code: "ABORT_IMPOSSIBLE",
    what: `the decommission of environment "${environment}" has gone too far to be undone`,
    standing,
    next: `landfall resume ${environment}`,
  });
