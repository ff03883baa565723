// Tells the balancer which instances get requests. The records say what should be; the balancer is given all of it whenever any of it
// changes, and again whenever it was started anew, so that the two can never drift apart.
import { LandfallError, messageOf } from "../../../error.ts";
import { controlClient, isCutOff, isSilent } from "../../../system/control.ts";
import { socketPathOf } from "../../../system/socket-path.ts";
import type { BalancerApi, InstanceTraffic, TrafficQuestion, Upstream, UpstreamStatus } from "../balancer/api.ts";
import type { Paths } from "../paths.ts";
import { findForeignHolder } from "../ports/listeners.ts";
import type { Handled, ProcessSpec } from "./api.ts";
import type { Tell } from "./events.ts";
import { takesRequests } from "./events.ts";
import { passesHealth } from "./health.ts";
import type { Seen } from "./liveness.ts";
import type { KeptRecord, Records } from "./records.ts";

/** A balancer that was just started, or restarted after a crash, is waited for so long; one that hangs is known and replaced within it. */
const BALANCER_WAIT_MS = 30_000;

export interface TrafficInput {
  paths: Paths;
  records: Records;
  tell: Tell;
  /** That start of the balancer says nothing any more: it is killed, and started again as after any crash. */
  endBalancer: (run: number) => Promise<void>;
}

export class Traffic {
  readonly #input: TrafficInput;
  readonly #balancer: BalancerApi;
  #last: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  readonly #checks = new Map<string, AbortController>();

  constructor(input: TrafficInput) {
    this.#input = input;
    this.#balancer = controlClient<BalancerApi>(socketPathOf(input.paths.balancerSocket));
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
    this.push().catch((error) => console.error(`the balancer was not told: ${messageOf(error)}`));
  }

  async observe(question: TrafficQuestion): Promise<InstanceTraffic[]> {
    this.requireBalancer();
    const traffic = await this.#ask(() => this.#balancer.observeTraffic(question));
    if (!traffic) throw this.#unreachable("it was stopped");
    return traffic;
  }

  /** The instances as the balancer sees them; undefined when none answers. */
  async observeUpstreams(): Promise<UpstreamStatus[] | undefined> {
    if (this.#balancerRecord()?.state !== "running") return undefined;
    return this.#call(() => this.#balancer.observe()).then(
      ({ upstreams }) => upstreams,
      () => undefined,
    );
  }

  /** Waits until the instance has no request in hand. A balancer that is gone has none. */
  async idle(id: string, timeoutMs: number): Promise<number> {
    if (!this.#balancerRecord()) return 0;
    try {
      return (await this.#call(() => this.#balancer.idle({ id, timeoutMs }))).inHand;
    } catch (error) {
      if (isGone(error)) return 0;
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
    const health = () => handlingOf(this.#input.records, record.spec).health;
    const port = record.port ?? 0;
    // Somebody else may have been faster on the port, and would get the requests, with all that is in them.
    const isOwn = () => !findForeignHolder(port, record.group?.pid, id);
    passesHealth({ port, health, isOwn }, check.signal)
      .then((passed) => {
        if (!passed || !record.suspended) return;
        record.suspended = undefined;
        this.#input.records.saveOrLater(record);
        this.#input.tell("resumed", record.spec, takesRequests(record.spec) ? "is healthy and takes requests again" : "is healthy again");
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
      if (!records.edge) return;
      const { handling: _, ...edge } = records.edge;
      await this.#balancer.configure({ edge, upstreams: upstreamsOf(records) });
    });
  }

  /**
   * Asks until the balancer answers, since one that was just started does not listen yet. Undefined when none is to be running. Throws
   * PORT_TAKEN at once when it waits for its port.
   */
  async #ask<T>(call: () => Promise<T>): Promise<T | undefined> {
    const end = performance.now() + BALANCER_WAIT_MS;
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 200)) {
      // Without a balancer there is nobody to tell; it is told everything when it comes.
      const balancer = this.#balancerRecord();
      if (!balancer) return undefined;
      if (balancer.portTaken) throw new LandfallError(balancer.portTaken);
      try {
        return await this.#call(call);
      } catch (error) {
        if (!isGone(error)) throw error;
        if (performance.now() > end) throw this.#unreachable(messageOf(error), error);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    const asked = this.#balancerRecord()?.run;
    try {
      return await call();
    } catch (error) {
      if (isSilent(error) && asked !== undefined) await this.#input.endBalancer(asked);
      throw error;
    }
  }

  #balancerRecord(): KeptRecord | undefined {
    return [...this.#input.records.byId.values()].find(({ spec, state }) => spec.kind === "balancer" && state !== "stopping");
  }

  #unreachable(why: string, cause?: unknown): LandfallError {
    return new LandfallError({
      code: "BALANCER_UNREACHABLE",
      what: `the balancer of "${this.#input.paths.environment}" does not answer`,
      where: this.#input.paths.balancerSocket,
      why,
      standing: "The instances run on. The change is kept and takes effect when the balancer answers.",
      cause,
    });
  }
}

const isGone = (error: unknown): boolean => isCutOff(error) || isSilent(error);

/** What the balancer should know: the instances that get requests, and those that finish theirs. */
function upstreamsOf(records: Records): Upstream[] {
  return [...records.byId.values()].flatMap(({ spec, traffic, share, pid, group, port, suspended, state }) => {
    const isUp = !suspended && port !== undefined && (state === "running" || state === "stopping");
    if (traffic === "none" || !isUp) return [];
    const { liveness: _, ...handling } = handlingOf(records, spec);
    return [{ id: spec.id, service: spec.service ?? "", port, pid, group: group?.pid, state: traffic, share, ...handling }];
  });
}

/** The instances that are to get requests and have a check, as they are now. */
export function seeInstances(records: Records, upstreams: UpstreamStatus[]): Seen[] {
  return [...records.byId.values()].flatMap(({ spec, traffic, state, port, suspended, since }) => {
    const { liveness } = handlingOf(records, spec);
    if (traffic !== "attached" || !liveness) return [];
    const upstream = upstreams.find((one) => one.id === spec.id && one.port === port);
    const answers = suspended ? "starts" : upstream?.healthy === false ? "fails" : "passes";
    return [{ id: spec.id, service: spec.service ?? "", state: state === "running" ? answers : "down", since, ...liveness }];
  });
}

const handlingOf = ({ edge }: Records, { release = "", service = "" }: ProcessSpec): Handled => edge?.handling[release]?.[service] ?? {};
