// Tells the balancer which instances get requests. The records say what should be; the balancer is given all of it whenever any of it
// changes, and again whenever it was started anew, so that the two can never drift apart.
import { LandfallError } from "../../../error.ts";
import { controlClient, isCutOff } from "../../../system/control.ts";
import type { BalancerApi, InstanceTraffic, TrafficQuestion, Upstream } from "../balancer/api.ts";
import type { Places } from "../places.ts";
import type { Tell } from "./events.ts";
import { passesHealth } from "./health.ts";
import type { KeptRecord, Records } from "./records.ts";
import { socketPathOf } from "./socket.ts";

/** A balancer that was just started, or restarted after a crash, is waited for so long. */
const BALANCER_WAIT_MS = 15_000;

export interface TrafficInput {
  places: Places;
  records: Records;
  tell: Tell;
}

export class Traffic {
  readonly #input: TrafficInput;
  readonly #balancer: BalancerApi;
  #last: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  readonly #checks = new Map<string, AbortController>();

  constructor(input: TrafficInput) {
    this.#input = input;
    this.#balancer = controlClient<BalancerApi>(socketPathOf(input.places.balancerSocket));
  }

  /** Resolves once the balancer has confirmed what the records said at the time of the call, or later. */
  push(): Promise<void> {
    // Calls that wait for the same turn share it: the configuration is made when the turn comes.
    if (!this.#queued) {
      const turn = this.#last.then(() => {
        this.#queued = undefined;
        return this.#configure();
      });
      this.#queued = turn;
      this.#last = turn.catch(() => {});
    }
    return this.#queued;
  }

  /** As push, for changes that nobody waits for. */
  pushSoon(): void {
    this.push().catch((error) => console.error(`the balancer was not told: ${(error as Error).message}`));
  }

  async observe(question: TrafficQuestion): Promise<InstanceTraffic[]> {
    this.requireBalancer();
    const told = await this.#ask(() => this.#balancer.observeTraffic(question));
    if (!told) throw this.#unreachable("it was stopped");
    return told;
  }

  /** Waits until the instance has no request in hand. A balancer that is gone has none. */
  async idle(id: string, timeoutMs: number): Promise<number> {
    if (!this.#balancerRecord()) return 0;
    try {
      return (await this.#balancer.idle({ id, timeoutMs })).inHand;
    } catch (error) {
      if (isCutOff(error)) return 0;
      throw error;
    }
  }

  /** An instance that crashed leaves the balancer at once and stays attached in the records. */
  suspend(record: KeptRecord): void {
    this.#checks.get(record.spec.id)?.abort();
    if (record.traffic !== "attached" || record.suspended) return this.pushSoon();
    record.suspended = true;
    this.#input.records.saveOrLater(record);
    this.#input.tell("suspended", record.spec, "takes no requests until it is healthy again");
    this.pushSoon();
  }

  /** Puts a restarted instance back into the balancer when it passes its health check. */
  resumeWhenHealthy(record: KeptRecord): void {
    const { id } = record.spec;
    this.#checks.get(id)?.abort();
    const check = new AbortController();
    this.#checks.set(id, check);
    const health = () => this.#input.records.edge?.services[record.spec.service ?? ""]?.health;
    passesHealth(record.port ?? 0, health, check.signal)
      .then((passed) => {
        if (!passed || !record.suspended) return;
        record.suspended = undefined;
        this.#input.records.saveOrLater(record);
        this.#input.tell("resumed", record.spec, "is healthy and takes requests again");
        this.pushSoon();
      })
      .catch((error) => console.error(error));
  }

  forget(id: string): void {
    this.#checks.get(id)?.abort();
    this.#checks.delete(id);
  }

  /** Throws BALANCER_UNREACHABLE when no balancer could confirm. */
  requireBalancer(): void {
    if (!this.#balancerRecord()) throw this.#unreachable("no balancer has been started");
    if (!this.#input.records.edge) throw this.#unreachable("it has not been told yet where to listen");
  }

  async #configure(): Promise<void> {
    const { records } = this.#input;
    await this.#ask(async () => {
      if (records.edge) await this.#balancer.configure({ edge: records.edge, upstreams: upstreamsOf(records) });
    });
  }

  /** Asks until the balancer answers, since one that was just started does not listen yet. Undefined when none is to be running. */
  async #ask<T>(call: () => Promise<T>): Promise<T | undefined> {
    const end = performance.now() + BALANCER_WAIT_MS;
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 200)) {
      // Without a balancer there is nobody to tell; it is told everything when it comes.
      if (!this.#balancerRecord()) return undefined;
      try {
        return await call();
      } catch (error) {
        if (!isCutOff(error)) throw error;
        if (performance.now() > end) throw this.#unreachable((error as Error).message, error);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  #balancerRecord(): KeptRecord | undefined {
    return [...this.#input.records.byId.values()].find(({ spec, state }) => spec.kind === "balancer" && state !== "stopping");
  }

  #unreachable(why: string, cause?: unknown): LandfallError {
    return new LandfallError({
      code: "BALANCER_UNREACHABLE",
      what: `the balancer of "${this.#input.places.environment}" does not answer`,
      where: this.#input.places.balancerSocket,
      why,
      standing: "The instances run on. The change is kept and takes effect when the balancer answers.",
      cause,
    });
  }
}

/** What the balancer should know: the instances that get requests, and those that finish theirs. */
function upstreamsOf(records: Records): Upstream[] {
  return [...records.byId.values()].flatMap(({ spec, traffic, share, pid, port, suspended, state }) => {
    const isUp = !suspended && port !== undefined && (state === "running" || state === "stopping");
    return traffic === "none" || !isUp ? [] : [{ id: spec.id, service: spec.service ?? "", port, pid, state: traffic, share }];
  });
}
