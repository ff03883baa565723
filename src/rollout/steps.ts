// Compiles the steps from what stands to what is wanted. Pure: the same function serves deploy, rollback, scale, resume and
// abort, because it starts from what stands, wherever an earlier operation was interrupted.
import { batchSize, STRATEGIES, type Strategy } from "./strategy.ts";

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
  /** Requests reach it. */
  web?: boolean;
}

/** A service that is run at certain times: those of this release. */
export interface ScheduledJob {
  service: string;
  release: string;
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
  /** Services that run at certain times. */
  jobs: string[];
  /** Whose rules the balancer is to go by once all of it stands: the last to change, so that until then nothing has to be taken back. */
  edge?: Edge;
  /** It has never served here: it is watched for a while before anything depends on it. */
  isNew?: boolean;
  strategy: Strategy;
  /** Instances per wave, or a share of the fleet such as "25%". */
  batch: number | string;
  /** Whether the new ones of a wave stand before its old ones are stopped. Default: they do. */
  surge?: boolean;
  /** For `canary`. */
  canary?: Trial;
  /** Whether the way back stays where it stands: for who changes the numbers of the release that serves, or goes back to it. */
  keepsWarm?: boolean;
}

/** The balancer's rules, which belong to a release. */
export interface Edge {
  /** Empty where none is to serve. */
  release: string;
  /** They have never held here: what runs already is asked by its health checks first. */
  isNew: boolean;
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
  /** Wait until each, which runs already, passes the health check of the release that is to serve. */
  | { do: "check"; places: Place[] }
  /** Wait until each has been healthy for the whole of its window without a break. */
  | { do: "watch"; places: Place[] }
  /** With a share, each of them gets that fraction of the requests. */
  | { do: "attach"; service: string; ids: string[]; share?: number }
  /** Compare canaries with their baselines until it is known which are to be. */
  | { do: "judge"; trials: Compared[]; places: Place[]; weight: number; isLast: boolean }
  | { do: "drain"; service: string; ids: string[] }
  | { do: "stop"; service: string; ids: string[] }
  /** No new requests; they keep the connections they have and are not told to drain, so that they can be switched back to. */
  | { do: "keepWarm"; service: string; ids: string[] }
  /** From now on the balancer goes by the rules of that release. */
  | { do: "switchEdge"; release: string }
  /** From now on these jobs are run at the times of that release, and not at those of another. What runs of them comes to its end. */
  | { do: "schedule"; release: string; services: string[] }
  /** From now on these jobs are not run. What runs of them comes to its end. */
  | { do: "unschedule"; services: string[] };

/** Instances of a service on trial, and as many fresh ones of the release that serves. */
export interface Compared {
  service: string;
  canary: string[];
  baseline: string[];
}

export const instanceId = (place: Place): string => `${place.service}.${place.slot}.${place.release}`;

/**
 * Steps in order. Empty when what stands is what is wanted, and has been here before.
 *
 * A first wave of every service is healthy before any gets requests; of a new release it is watched before anything more is replaced, canaries
 * with it. What comes after it is watched at the end, so that the windows of many waves overlap. Only then does the balancer change over to the
 * rules of the release: services that those before it lead to are all there until then, and afterwards those go that it has no more, and what
 * was warm beside them. Jobs come last, when nothing can fail any more. `edge` is the release whose rules hold now.
 */
export function compileRollout(standing: Standing[], desired: Desired, jobs: ScheduledJob[] = [], edge = ""): Step[] {
  const fleetOf = (service: string) => standing.filter((instance) => instance.service === service);
  const wantedNames = new Set(desired.services.map((service) => service.service));
  const removed = [...new Set(standing.map((instance) => instance.service))].filter((service) => !wantedNames.has(service));
  const parts = desired.services.map((service) => compileFleet(fleetOf(service.service), desired, service));
  const [tried, others] = [parts.filter((part) => part.trial), parts.filter((part) => !part.trial)];
  const triedAgain = tried.flatMap((part) => part.watched);
  const watched = [...tried.flatMap((part) => part.trial?.places ?? []), ...others.flatMap((part) => part.watched)];
  const ids = new Set([...watched, ...triedAgain].map(instanceId));
  const places = desired.services.flatMap((service) => placesOf(service, desired.release));
  const switches = desired.edge !== undefined && desired.edge.release !== edge;
  const serving = new Set(standing.filter((instance) => instance.attached && instance.share === undefined).map(instanceId));
  const staying = places.filter((place) => serving.has(instanceId(place)));
  return [
    ...(switches && desired.edge?.isNew && staying.length > 0 ? [{ do: "check" as const, places: staying }] : []),
    ...tried.flatMap((part) => part.trial?.start ?? []),
    ...others.flatMap((part) => part.first),
    ...others.flatMap((part) => part.enter),
    ...watch(desired, watched),
    ...compareAll(
      tried.flatMap(({ trial }) => trial ?? []),
      desired.canary,
    ),
    ...tried.flatMap((part) => part.first),
    ...watch(desired, triedAgain),
    ...parts.flatMap((part) => part.rest),
    ...watch(
      desired,
      places.filter((place) => !ids.has(instanceId(place))),
    ),
    ...(switches && desired.edge ? [{ do: "switchEdge" as const, release: desired.edge.release }] : []),
    ...removed.flatMap((service) => takeAway(service, fleetOf(service), desired)),
    ...parts.flatMap((part) => part.last),
    ...compileJobs(jobs, desired),
  ];
}

/** Services that requests reach and that the release before does not have under this name: there is nothing to compare them with. */
export function untriedServices(standing: Standing[], { strategy, services }: Desired): string[] {
  const serving = standing.filter(({ web, attached }) => web && attached);
  if (strategy !== "canary" || serving.length === 0) return [];
  return services.filter(({ service, web }) => web && !serving.some((instance) => instance.service === service)).map(({ service }) => service);
}

/** A service that the release has no more. Where whole fleets stand side by side, what served requests is kept to be switched back to. */
function takeAway(service: string, fleet: Standing[], { strategy, keepsWarm = false }: Desired): Step[] {
  const isKept = ({ web, attached, share, warm }: Standing) =>
    STRATEGIES[strategy].besideOld ? web && ((attached && share === undefined) || warm) : keepsWarm && warm;
  const leaving = fleet.filter((instance) => isKept(instance) && !instance.warm);
  return [
    ...ask(service, leaving),
    ...keepWarm(service, leaving),
    ...retire(
      service,
      fleet.filter((instance) => !isKept(instance)),
    ),
  ];
}

function compileJobs(standing: ScheduledJob[], { release, jobs }: Desired): Step[] {
  const missing = jobs.filter((service) => !standing.some((instance) => instance.service === service && instance.release === release));
  const removedNames = standing.map((instance) => instance.service).filter((service) => !jobs.includes(service));
  return [
    ...(removedNames.length > 0 ? [{ do: "unschedule" as const, services: removedNames }] : []),
    ...(missing.length > 0 ? [{ do: "schedule" as const, release, services: missing }] : []),
  ];
}

const placesOf = ({ service, count }: Wanted, release: string): Place[] =>
  Array.from({ length: count }, (_, index) => ({ service, release, slot: index + 1 }));

const watch = ({ isNew = false }: Desired, places: Place[]): Step[] => (isNew && places.length > 0 ? [{ do: "watch", places }] : []);

/** The steps of one service, to be put between those of the others. */
interface FleetSteps {
  /** Of a service of which a canary is tried first. */
  trial?: TrialSteps;
  /** Up to where its first new ones are healthy. */
  first: Step[];
  /** Requests for them, where they get some before they were watched. */
  enter: Step[];
  /** What has to be well before the rest is done. */
  watched: Place[];
  rest: Step[];
  /** What nobody can want back once the release serves. */
  last: Step[];
}

interface TrialSteps extends Compared {
  start: Step[];
  /** The canary's. */
  places: Place[];
}

/** One service's fleet, as it stands and as it should. */
interface Fleet {
  service: string;
  count: number;
  old: Standing[];
  missing: Place[];
}

function compileFleet(standing: Standing[], desired: Desired, desiredFleet: Wanted): FleetSteps {
  const { service, count } = desiredFleet;
  const fresh = standing.filter((instance) => instance.release === desired.release);
  const old = standing.filter((instance) => instance.release !== desired.release && !(instance.warm && desired.keepsWarm));
  const surplus = fresh.filter((instance) => instance.slot > count);
  const inService = new Set(fresh.filter((instance) => instance.attached && instance.share === undefined).map((instance) => instance.slot));
  const places = placesOf(desiredFleet, desired.release);
  const missing = places.filter(({ slot }) => !inService.has(slot));
  const fleet: Fleet = { service, count, old, missing };

  if (desiredFleet.singleton) return { ...NOTHING, rest: [...retire(service, [...old, ...surplus]), ...bring(service, missing)] };
  const { rest, watched, ...before } = replace(fleet, desired, desiredFleet.web);
  // What an interruption left in service was not watched to its end.
  const left = places.filter(({ slot }) => inService.has(slot));
  return { ...before, rest: [...rest, ...retire(service, surplus)], watched: old.length > 0 ? [...left, ...watched] : [] };
}

const NOTHING: FleetSteps = { first: [], enter: [], watched: [], rest: [], last: [] };

function replace(fleet: Fleet, desired: Desired, web: boolean): FleetSteps {
  // What takes its work from a queue would go on taking it while it is kept warm: two releases at work at once.
  if (!STRATEGIES[desired.strategy].besideOld || !web) return replaceInWaves(fleet, desired);
  return desired.strategy === "canary" && desired.canary ? tryThenReplace(fleet, desired.canary) : replaceAtOnce(fleet);
}

function replaceInWaves({ service, count, old, missing }: Fleet, desired: Desired): FleetSteps {
  const { surge = true } = desired;
  const serving = old.filter((instance) => instance.attached);
  const left = retire(
    service,
    old.filter((instance) => !instance.attached && !instance.warm),
  );
  const last = retire(
    service,
    old.filter((instance) => !instance.attached && instance.warm),
  );
  // Where nothing serves there is nothing to be careful with.
  if (serving.length === 0) return { ...NOTHING, rest: [...left, ...bring(service, missing)], last };
  // What an interruption left short comes first: there is room for it, and nothing is stopped while too few serve.
  const short = missing.slice(0, Math.max(0, missing.length - serving.length));
  const [first, ...others] = inWaves(missing.slice(short.length), serving, waveSizes(desired, count)).map(({ leaving, places }): Wave => {
    const leave = remove(service, leaving);
    const come = [...ask(service, leaving), ...(surge ? [] : leave), ...start(service, places)];
    return { places, come, enter: attach(service, places), leave: surge ? leave : [] };
  });
  return {
    first: [...left, ...bring(service, short), ...(first?.come ?? [])],
    enter: first?.enter ?? [],
    watched: [...short, ...(first?.places ?? [])],
    rest: [
      ...(first?.leave ?? []),
      ...others.flatMap(({ come, enter, leave }) => [...come, ...enter, ...leave]),
      ...retire(service, serving.slice(missing.length - short.length)),
    ],
    last,
  };
}

/** Of the first wave, and of each after it. While a canary is tried, as many of what takes no requests are tried beside it. */
function waveSizes({ strategy, batch, canary }: Desired, count: number): [first: number, next: number] {
  const size = STRATEGIES[strategy].besideOld ? count : batchSize(batch, count);
  return [strategy === "canary" && canary ? Math.min(canary.instances, size) : size, size];
}

function inWaves(places: Place[], serving: Standing[], [first, next]: [number, number]): { places: Place[]; leaving: Standing[] }[] {
  const bounds = [0, ...Array.from({ length: Math.ceil(Math.max(0, places.length - first) / next) }, (_, index) => first + index * next)];
  return places.length === 0
    ? []
    : bounds.map((from, index) => ({
        places: places.slice(from, bounds[index + 1]),
        leaving: serving.slice(from, bounds[index + 1] ?? places.length),
      }));
}

/** Of new ones, and of those that they replace. */
interface Wave {
  places: Place[];
  come: Step[];
  enter: Step[];
  leave: Step[];
}

function replaceAtOnce({ service, old, missing }: Fleet): FleetSteps {
  const serving = old.filter((instance) => instance.attached && instance.share === undefined);
  const onTrial = old.filter((instance) => instance.attached && instance.share !== undefined);
  // Of several older fleets only the one that serves now is worth keeping warm.
  const servingReleases = new Set(serving.map((instance) => instance.release));
  const isWorthwhile = (instance: Standing) => missing.length === 0 || servingReleases.has(instance.release);
  return {
    first: [
      ...retire(
        service,
        old.filter((instance) => !instance.attached && !instance.warm),
      ),
      ...ask(service, serving),
      ...start(service, missing),
    ],
    enter: [],
    watched: missing,
    rest: [...attach(service, missing), ...retire(service, onTrial), ...keepWarm(service, serving)],
    last: retire(
      service,
      old.filter((instance) => instance.warm && !isWorthwhile(instance)),
    ),
  };
}

/**
 * The canary and a baseline of as many fresh instances of the old release get the same share, step by step. Instances that have run
 * for days would be no fair comparison: their caches are warm, and their leaks are old.
 */
function tryThenReplace(fleet: Fleet, { instances }: Trial): FleetSteps {
  const { service, count, old, missing } = fleet;
  const serving = old.filter((instance) => instance.attached && instance.share === undefined);
  const warm = old.filter((instance) => instance.warm);
  const [first] = serving;
  if (!first || missing.length === 0) return replaceAtOnce(fleet);
  const places = missing.slice(0, instances);
  const firstSlot = Math.max(count, ...old.map((instance) => instance.slot)) + 1;
  // A baseline that an interrupted trial left is not fresh any more.
  const left = old.filter((instance) => !serving.includes(instance) && !instance.warm);
  const baseline = places.map((_, index): Place => ({ service, release: first.release, slot: firstSlot + index }));
  const trial: TrialSteps = {
    service,
    canary: places.map(instanceId),
    baseline: baseline.map(instanceId),
    start: [...retire(service, left), ...start(service, [...places, ...baseline])],
    places,
  };
  return { ...replaceAtOnce({ ...fleet, old: [...serving, ...warm] }), trial };
}

/** All services with the same weight at the same time: one that gets few requests follows the others. */
function compareAll(trials: TrialSteps[], canary: Trial | undefined): Step[] {
  if (trials.length === 0 || !canary) return [];
  const compared = trials.map(({ service, canary, baseline }): Compared => ({ service, canary, baseline }));
  return [
    ...canary.weights.flatMap((weight, index): Step[] => [
      ...compared.map((trial): Step => {
        const share = weight / trial.canary.length;
        return { do: "attach", service: trial.service, ids: [...trial.canary, ...trial.baseline], share };
      }),
      { do: "judge", trials: compared, places: trials.flatMap((trial) => trial.places), weight, isLast: index === canary.weights.length - 1 },
    ]),
    ...compared.flatMap(({ service, baseline }) => remove(service, baseline)),
  ];
}

const start = (service: string, places: Place[]): Step[] => (places.length > 0 ? [{ do: "start", service, places }] : []);
const attach = (service: string, places: Place[]): Step[] => (places.length > 0 ? [{ do: "attach", service, ids: places.map(instanceId) }] : []);
const bring = (service: string, places: Place[]): Step[] => [...start(service, places), ...attach(service, places)];

const keepWarm = (service: string, leaving: Standing[]): Step[] =>
  leaving.length > 0 ? [{ do: "keepWarm", service, ids: leaving.map((instance) => instance.id) }] : [];

function ask(service: string, leaving: Standing[]): Step[] {
  return leaving.length > 0 ? [{ do: "ask", service, ids: leaving.map((instance) => instance.id) }] : [];
}

function remove(service: string, leaving: (Standing | string)[]): Step[] {
  if (leaving.length === 0) return [];
  const ids = leaving.map((instance) => (typeof instance === "string" ? instance : instance.id));
  return [
    { do: "drain", service, ids },
    { do: "stop", service, ids },
  ];
}

/** Who is on trial has a short life that everybody knows of: it is not asked. */
const retire = (service: string, leaving: Standing[]): Step[] => [
  ...ask(
    service,
    leaving.filter((instance) => instance.attached && instance.share === undefined),
  ),
  ...remove(service, leaving),
];

const NAMED_MAX = 6;
const WORDS = { ask: "ask", drain: "drain", stop: "stop", keepWarm: "keep warm" };

type List = (names: string[]) => string;

/** `start web.1.7f3c2a, web.2.7f3c2a`: all of it, for the journal. */
export const describeStep = (step: Step): string => describe(step, (names) => names.join(", "));

/** One line for a person. A fleet of a hundred on one line is read by nobody; `status` has all of them. */
export const describeBriefly = (step: Step): string =>
  describe(step, (names) => (names.length <= NAMED_MAX ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`));

function describe(step: Step, list: List): string {
  switch (step.do) {
    case "judge":
      return `compare ${step.trials.map((trial) => describeTrial(trial, list)).join(", ")} at ${percent(step.weight)} each`;
    case "start":
    case "check":
    case "watch":
      return `${step.do} ${list(step.places.map(instanceId))}`;
    case "switchEdge":
      return step.release ? `switch the balancer to the rules of release ${step.release}` : "take the balancer's rules away";
    case "schedule":
    case "unschedule":
      return `${step.do} ${list(step.services)}`;
    case "attach":
      return `put in service ${list(step.ids)}${step.share === undefined ? "" : " on trial"}`;
    default:
      return `${WORDS[step.do]} ${list(step.ids)}`;
  }
}

const describeTrial = ({ canary, baseline }: Compared, list: List): string => `${list(canary)} with ${list(baseline)}`;

const percent = (fraction: number): string => `${Math.round(fraction * 100)} %`;
