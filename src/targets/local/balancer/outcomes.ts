// The outcomes of one instance's requests, for whoever judges it: the last ones singly, all of them as sums. Typed arrays, because this
// is written on every request and must cost it nothing.
import type { InstanceTraffic } from "./api.ts";

export const OUTCOMES_KEPT = 20_000;
/** An instance that crashed leaves the balancer and comes back; what it did must be readable meanwhile. */
const ABSENT_KEPT = 100;

export class Outcomes {
  readonly #id: string;
  /**
   * Numbers begin at the time of the first: a balancer that was started again then counts on from a higher number than any before,
   * and a caller's cursor stays right.
   */
  readonly #first: number;
  readonly #kept: number;
  #ms: Float32Array | undefined;
  #hasFailed: Uint8Array | undefined;
  #total = 0;
  #failed = 0;

  constructor(id: string, kept = OUTCOMES_KEPT, now = Date.now()) {
    this.#id = id;
    this.#kept = kept;
    this.#first = now * 1_000;
  }

  /** @param ms from sending the request on until the first byte of its answer, or until it failed */
  add(ms: number, failed: boolean): void {
    this.#ms ??= new Float32Array(this.#kept);
    this.#hasFailed ??= new Uint8Array(this.#kept);
    const place = this.#total++ % this.#kept;
    this.#ms[place] = ms;
    this.#hasFailed[place] = failed ? 1 : 0;
    if (failed) this.#failed++;
  }

  /** What came from number `after` on; without it, all that is kept. */
  read(after = 0): InstanceTraffic {
    const next = this.#first + this.#total;
    const oldest = next - Math.min(this.#total, this.#kept);
    const first = Math.max(after, this.#first);
    const samples: InstanceTraffic["samples"] = [];
    for (let n = Math.max(first, oldest); n < next; n++) {
      const place = (n - this.#first) % this.#kept;
      samples.push({ n, ms: this.#ms?.[place] ?? 0, failed: this.#hasFailed?.[place] === 1 });
    }
    return { id: this.#id, total: this.#total, failed: this.#failed, missed: Math.max(0, oldest - first), samples, next };
  }
}

/** The outcomes of all instances by id; those of instances that are gone stay until many others have gone after them. */
export class OutcomesById {
  readonly #byId = new Map<string, Outcomes>();

  of(id: string): Outcomes {
    const outcomes = this.#byId.get(id) ?? new Outcomes(id);
    // Put last, so that the first of the map is the one that was absent longest.
    this.#byId.delete(id);
    this.#byId.set(id, outcomes);
    return outcomes;
  }

  read(id: string, after?: number): InstanceTraffic {
    return this.#byId.get(id)?.read(after) ?? { id, total: 0, failed: 0, missed: 0, samples: [], next: after ?? 0 };
  }

  /** Forgets what has been absent longest. */
  trim(present: ReadonlySet<string>): void {
    const absent = [...this.#byId.keys()].filter((id) => !present.has(id));
    for (const id of absent.slice(0, -ABSENT_KEPT)) this.#byId.delete(id);
  }
}
