// Which steps lead from what stands to what is wanted. Pure: the same function serves deploy, rollback, scale, resume and
// abort, because it starts from what stands, wherever an earlier operation was interrupted.

export interface Standing {
  id: string;
  service: string;
  release: string;
  slot: number;
  /** Gets requests. Warm instances and those being drained do not. */
  attached: boolean;
  /** On trial: the fraction of the service's requests that it gets. The others spread what is left. */
  share?: number;
  /** Not attached on purpose, to be switched back to. What is neither was left by an interruption. */
  warm?: boolean;
}

export interface Wanted {
  service: string;
  count: number;
  /** Never two at once. */
  singleton: boolean;
  /** Requests reach it, so it can be switched to and back, kept warm, and tried with a share of them. */
  web: boolean;
}

/** How a release is tried with a share of the requests. */
export interface Trial {
  /** The canary's share in each step, as fractions up to 0.5. */
  weights: readonly number[];
  /** Instances of the canary, and as many of the baseline. */
  instances: number;
}

export interface Desired {
  release: string;
  services: Wanted[];
  strategy: "rolling" | "blueGreen" | "canary";
  /** Instances per wave, or a share of the fleet such as "25%". */
  batch: number | string;
  /** Whether the new ones of a wave stand before its old ones are stopped. Default: they do. */
  surge?: boolean;
  /** For `canary`. */
  canary?: Trial;
}

export interface Place {
  service: string;
  release: string;
  slot: number;
}

/** One step, on several instances of one service at once. */
export type Step =
  /** Ask the old instances whether they may be stopped. */
  | { do: "ask"; service: string; ids: string[] }
  /** Start what is not running there, and wait until all are healthy. */
  | { do: "start"; service: string; places: Place[] }
  /** With a share, each of them gets that fraction of the requests. */
  | { do: "attach"; service: string; ids: string[]; share?: number }
  /** Compare the canary with the baseline until it is known which is to be. */
  | { do: "judge"; service: string; canary: string[]; baseline: string[]; weight: number }
  | { do: "drain"; service: string; ids: string[] }
  | { do: "stop"; service: string; ids: string[] }
  /** No new requests; they keep the connections they have and are not told to drain, so that they can be switched back to. */
  | { do: "keepWarm"; service: string; ids: string[] };

export const instanceId = (place: Place): string => `${place.service}.${place.slot}.${place.release}`;

export function batchSize(batch: number | string, count: number): number {
  const size = typeof batch === "number" ? batch : Math.floor((count * Number.parseInt(batch, 10)) / 100);
  return Math.max(1, Math.min(size, count));
}

/** Steps in order. Empty when what stands is what is wanted. */
export function compileRollout(standing: Standing[], desired: Desired): Step[] {
  const fleetOf = (service: string) => standing.filter((one) => one.service === service);
  const wantedNames = new Set(desired.services.map((wanted) => wanted.service));
  const gone = [...new Set(standing.map((one) => one.service))].filter((service) => !wantedNames.has(service));
  return [
    ...desired.services.flatMap((wanted) => compileFleet(fleetOf(wanted.service), desired, wanted)),
    ...gone.flatMap((service) => retire(service, fleetOf(service))),
  ];
}

/** One service's fleet, as it stands and as it should. */
interface Fleet {
  service: string;
  count: number;
  old: Standing[];
  missing: Place[];
}

function compileFleet(standing: Standing[], desired: Desired, wanted: Wanted): Step[] {
  const { service, count } = wanted;
  const fresh = standing.filter((one) => one.release === desired.release);
  const old = standing.filter((one) => one.release !== desired.release);
  const surplus = fresh.filter((one) => one.slot > count);
  const inService = new Set(fresh.filter((one) => one.attached && one.share === undefined).map((one) => one.slot));
  const places = Array.from({ length: count }, (_, index): Place => ({ service, release: desired.release, slot: index + 1 }));
  const fleet: Fleet = { service, count, old, missing: places.filter((place) => !inService.has(place.slot)) };

  if (wanted.singleton) return [...retire(service, [...old, ...surplus]), ...bring(service, fleet.missing)];
  return [...replace(fleet, desired, wanted.web), ...retire(service, surplus)];
}

function replace(fleet: Fleet, desired: Desired, web: boolean): Step[] {
  // What takes its work from a queue would go on taking it while it is kept warm: two releases at work at once.
  if (desired.strategy === "rolling" || !web) return replaceInWaves(fleet, desired);
  return desired.strategy === "canary" && desired.canary ? tryThenReplace(fleet, desired.canary) : replaceAtOnce(fleet);
}

function replaceInWaves({ service, count, old, missing }: Fleet, { strategy, batch, surge = true }: Desired): Step[] {
  const serving = old.filter((one) => one.attached);
  const steps: Step[] = retire(
    service,
    old.filter((one) => !one.attached),
  );
  // Where nothing serves there is nothing to be careful with.
  if (serving.length === 0) return [...steps, ...bring(service, missing)];
  const size = strategy === "rolling" ? batchSize(batch, count) : count;
  // What an interruption left short comes first: there is room for it, and nothing is stopped while too few serve.
  const short = missing.slice(0, Math.max(0, missing.length - serving.length));
  const waves = missing.slice(short.length);
  steps.push(...bring(service, short));
  for (let first = 0; first < waves.length; first += size) {
    const leaving = serving.slice(first, first + size);
    const coming = bring(service, waves.slice(first, first + size));
    steps.push(...ask(service, leaving), ...(surge ? [...coming, ...remove(service, leaving)] : [...remove(service, leaving), ...coming]));
  }
  return [...steps, ...retire(service, serving.slice(waves.length))];
}

function replaceAtOnce({ service, old, missing }: Fleet): Step[] {
  const serving = old.filter((one) => one.attached && one.share === undefined);
  const onTrial = old.filter((one) => one.attached && one.share !== undefined);
  // Of several older fleets only the one that serves now is worth keeping warm.
  const servingReleases = new Set(serving.map((one) => one.release));
  const isWorthwhile = (one: Standing) => one.warm && (missing.length === 0 || servingReleases.has(one.release));
  return [
    ...retire(
      service,
      old.filter((one) => !one.attached && !isWorthwhile(one)),
    ),
    ...ask(service, serving),
    ...bring(service, missing),
    ...retire(service, onTrial),
    ...(serving.length > 0 ? [{ do: "keepWarm" as const, service, ids: serving.map((one) => one.id) }] : []),
  ];
}

/**
 * The canary and a baseline of as many fresh instances of the old release get the same share, step by step. Instances that have run
 * for days would be no fair comparison: their caches are warm, and their leaks are old.
 */
function tryThenReplace(fleet: Fleet, { weights, instances }: Trial): Step[] {
  const { service, count, old, missing } = fleet;
  const serving = old.filter((one) => one.attached && one.share === undefined);
  const [first] = serving;
  if (!first || missing.length === 0) return replaceAtOnce(fleet);
  const canary = missing.slice(0, instances);
  const firstSlot = Math.max(count, ...old.map((one) => one.slot)) + 1;
  // A baseline that an interrupted trial left is not fresh any more.
  const left = old.filter((one) => !serving.includes(one));
  const baseline = canary.map((_, index): Place => ({ service, release: first.release, slot: firstSlot + index }));
  const ids = { canary: canary.map(instanceId), baseline: baseline.map(instanceId) };
  return [
    ...retire(service, left),
    { do: "start", service, places: [...canary, ...baseline] },
    ...weights.flatMap((weight): Step[] => [
      { do: "attach", service, ids: [...ids.canary, ...ids.baseline], share: weight / canary.length },
      { do: "judge", service, ...ids, weight },
    ]),
    ...remove(service, ids.baseline),
    ...replaceAtOnce({ ...fleet, old: serving }),
  ];
}

function bring(service: string, places: Place[]): Step[] {
  if (places.length === 0) return [];
  return [
    { do: "start", service, places },
    { do: "attach", service, ids: places.map(instanceId) },
  ];
}

function ask(service: string, leaving: Standing[]): Step[] {
  return leaving.length > 0 ? [{ do: "ask", service, ids: leaving.map((one) => one.id) }] : [];
}

function remove(service: string, leaving: (Standing | string)[]): Step[] {
  if (leaving.length === 0) return [];
  const ids = leaving.map((one) => (typeof one === "string" ? one : one.id));
  return [
    { do: "drain", service, ids },
    { do: "stop", service, ids },
  ];
}

/** Who is on trial has a short life that everybody knows of: it is not asked. */
const retire = (service: string, leaving: Standing[]): Step[] => [
  ...ask(
    service,
    leaving.filter((one) => one.attached && one.share === undefined),
  ),
  ...remove(service, leaving),
];

const WORDS = { ask: "ask", start: "start", attach: "put in service", drain: "drain", stop: "stop", keepWarm: "keep warm" };

/** `start web.1, web.2 (7f3c2a)`: one line for a person. */
export function describeStep(step: Step): string {
  if (step.do === "judge") return `compare ${step.canary.join(", ")} with ${step.baseline.join(", ")} at ${percent(step.weight)} each`;
  const ids = step.do === "start" ? step.places.map(instanceId) : step.ids;
  return `${WORDS[step.do]} ${ids.join(", ")}${step.do === "attach" && step.share !== undefined ? " on trial" : ""}`;
}

const percent = (fraction: number): string => `${Math.round(fraction * 100)} %`;
