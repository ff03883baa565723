// Which steps lead from what stands to what is wanted. Pure: the same function serves deploy, rollback, scale, resume and
// abort, because it starts from what stands, wherever an earlier operation was interrupted.

export interface Standing {
  id: string;
  service: string;
  release: string;
  slot: number;
  /** Gets requests. Warm instances and those being drained do not. */
  attached: boolean;
}

export interface Wanted {
  service: string;
  count: number;
  /** Never two at once. */
  singleton: boolean;
}

export interface Desired {
  release: string;
  services: Wanted[];
  strategy: "rolling" | "blueGreen";
  /** Instances per wave, or a share of the fleet such as "25%". */
  batch: number | string;
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
  | { do: "attach"; service: string; ids: string[] }
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
  const wantedNames = new Set(desired.services.map((wanted) => wanted.service));
  const gone = [...new Set(standing.map((one) => one.service))].filter((service) => !wantedNames.has(service));
  return [
    ...desired.services.flatMap((wanted) => compileFleet(standing, desired, wanted)),
    ...gone.flatMap((service) =>
      retire(
        service,
        standing.filter((one) => one.service === service),
      ),
    ),
  ];
}

function compileFleet(standing: Standing[], desired: Desired, wanted: Wanted): Step[] {
  const { service, count } = wanted;
  const mine = standing.filter((one) => one.service === service);
  const fresh = mine.filter((one) => one.release === desired.release);
  const old = mine.filter((one) => one.release !== desired.release);
  const places = Array.from({ length: count }, (_, index): Place => ({ service, release: desired.release, slot: index + 1 }));
  const missing = places.filter((place) => !fresh.some((one) => one.slot === place.slot && one.attached));
  const surplus = fresh.filter((one) => one.slot > count);

  if (wanted.singleton) return [...retire(service, [...old, ...surplus]), ...bring(service, missing)];
  const steps =
    desired.strategy === "blueGreen" ? replaceAtOnce(service, missing, old) : replaceInWaves(service, missing, old, batchSize(desired.batch, count));
  return [...steps, ...retire(service, surplus)];
}

function replaceInWaves(service: string, missing: Place[], old: Standing[], size: number): Step[] {
  const serving = old.filter((one) => one.attached);
  const idle = old.filter((one) => !one.attached);
  const steps: Step[] = retire(service, idle);
  // Where nothing serves there is nothing to be careful with.
  if (serving.length === 0) return [...steps, ...bring(service, missing)];
  for (let first = 0; first < missing.length; first += size) {
    const leaving = serving.slice(first, first + size);
    steps.push(...ask(service, leaving), ...bring(service, missing.slice(first, first + size)), ...remove(service, leaving));
  }
  return [...steps, ...retire(service, serving.slice(missing.length))];
}

function replaceAtOnce(service: string, missing: Place[], old: Standing[]): Step[] {
  const serving = old.filter((one) => one.attached);
  // Of several older fleets only the one that serves now is worth keeping warm.
  const stale = old.filter((one) => !one.attached && !serving.some((other) => other.release === one.release));
  const steps = [
    ...(missing.length > 0 ? retire(service, serving.length > 0 ? stale : []) : []),
    ...ask(service, serving),
    ...bring(service, missing),
  ];
  if (serving.length === 0) return steps;
  return [...steps, { do: "keepWarm", service, ids: serving.map((one) => one.id) }];
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

function remove(service: string, leaving: Standing[]): Step[] {
  if (leaving.length === 0) return [];
  const ids = leaving.map((one) => one.id);
  return [
    { do: "drain", service, ids },
    { do: "stop", service, ids },
  ];
}

const retire = (service: string, leaving: Standing[]): Step[] => [
  ...ask(
    service,
    leaving.filter((one) => one.attached),
  ),
  ...remove(service, leaving),
];

/** `start web.1, web.2 (7f3c2a)`: one line for a person. */
export function describeStep(step: Step): string {
  const words = { ask: "ask", start: "start", attach: "put in service", drain: "drain", stop: "stop", keepWarm: "keep warm" };
  const ids = step.do === "start" ? step.places.map(instanceId) : step.ids;
  return `${words[step.do]} ${ids.join(", ")}`;
}
