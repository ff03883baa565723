// Which instances are to be replaced: those that run and fail their check for too long, unless most of their service do. Then it is not
// the instance, and a restart of all would only take away what may recover by itself. Reads what it is given, and no clock.

/** An instance that is to get requests, as it is at one moment. */
export interface Seen {
  id: string;
  service: string;
  /** `down`: it does not run, so that there is nothing to replace. */
  state: "passes" | "fails" | "starts" | "down";
  /** Since when it starts, in milliseconds since 1970. */
  since: number;
  replaceAfterMs: number;
  startupMs: number;
}

export interface Judgement {
  hung: { id: string; failingMs: number }[];
  /** Services of which some have failed for too long and most fail at this moment. Each is told once, until that has passed. */
  together: { service: string; failing: number; count: number }[];
}

/** What did not help is done less and less often, and counts as forgotten after so long in health. */
const LAST_PAUSE_MS = 3_600_000;
const FORGOTTEN_AFTER_MS = 600_000;

export class Liveness {
  readonly #failingSince = new Map<string, number>();
  readonly #passingSince = new Map<string, number>();
  readonly #replacements = new Map<string, number>();
  #told = new Set<string>();

  /** What is to be done now. Each look says all that there is. */
  look(instances: Seen[], now: number): Judgement {
    this.#forget(instances, now);
    for (const instance of instances) this.#note(instance, now);
    const due = instances.filter((instance) => this.#isDue(instance, now));
    const together = [...new Set(due.map(({ service }) => service))].flatMap((service) => findTogether(service, instances));
    const held = new Set(together.map(({ service }) => service));
    const news = together.filter(({ service }) => !this.#told.has(service));
    this.#told = held;
    return {
      hung: due.filter(({ service }) => !held.has(service)).map(({ id }) => ({ id, failingMs: now - (this.#failingSince.get(id) ?? now) })),
      together: news,
    };
  }

  /** It is replaced now: the next time it has twice as long. */
  replaced(id: string): void {
    this.#replacements.set(id, (this.#replacements.get(id) ?? 0) + 1);
    this.#failingSince.delete(id);
  }

  #note({ id, state, since }: Seen, now: number): void {
    if (state === "passes") this.#failingSince.delete(id);
    else this.#passingSince.delete(id);
    if (state === "passes" && !this.#passingSince.has(id)) this.#passingSince.set(id, now);
    if (state === "down") this.#failingSince.delete(id);
    else if (state !== "passes" && !this.#failingSince.has(id)) this.#failingSince.set(id, state === "starts" ? since : now);
    if (now - (this.#passingSince.get(id) ?? now) > FORGOTTEN_AFTER_MS) this.#replacements.delete(id);
  }

  #isDue({ id, state, replaceAfterMs, startupMs }: Seen, now: number): boolean {
    const since = this.#failingSince.get(id);
    if (since === undefined || replaceAfterMs === 0) return false;
    const pauseMs = Math.max(replaceAfterMs, Math.min(LAST_PAUSE_MS, replaceAfterMs * 2 ** (this.#replacements.get(id) ?? 0)));
    return now - since >= (state === "starts" ? Math.max(pauseMs, startupMs) : pauseMs);
  }

  #forget(instances: Seen[], now: number): void {
    const ids = new Set(instances.map(({ id }) => id));
    for (const known of [this.#failingSince, this.#passingSince, this.#replacements])
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    // The clock was set back.
    for (const [id, since] of this.#failingSince) if (since > now) this.#failingSince.set(id, now);
  }
}

/** One alone fails with nobody: there is nothing to compare it with, and nothing to lose. */
function findTogether(service: string, instances: Seen[]): Judgement["together"] {
  const own = instances.filter((instance) => instance.service === service);
  const failing = own.filter(({ state }) => state !== "passes").length;
  return own.length > 1 && failing * 2 > own.length ? [{ service, failing, count: own.length }] : [];
}
