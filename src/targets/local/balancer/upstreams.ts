// The instances behind the balancer: who gets the next request, who is healthy, and when one has nothing left in hand.
import { type buildConnector, Pool } from "undici";
import { cutQuery, guardedPath, normalisePath } from "../../../routing/paths.ts";
import { PortWatch } from "../ports/listeners.ts";
import type { HealthRule, Upstream, UpstreamStatus } from "./api.ts";
import { CONNECT_TIMEOUT_MS, connectForOne } from "./connect.ts";
import { watchHealth } from "./health.ts";
import { type Outcomes, OutcomesById } from "./outcomes.ts";

/**
 * Node's own servers close a connection after 5 s of silence. Ours must be gone before, and undici's timers may be late by
 * a second; so 3 s, and 2 s less than what the upstream announces in Keep-Alive.
 */
const KEEP_ALIVE_MS = 3_000;
const KEEP_ALIVE_MARGIN_MS = 2_000;
/** How long a request waits for an upstream to appear. */
export const APPEAR_WITHIN_MS = 1_000;

/** One upstream, as the requests see it. */
export class Member {
  readonly id: string;
  readonly service: string;
  readonly port: number;
  readonly outcomes: Outcomes;
  state: Upstream["state"] | "gone" = "attached";
  share: number | undefined;
  pid: number | undefined;
  group: number | undefined;
  healthy = true;
  inHand = 0;
  served = 0;
  failed = 0;
  privatePaths: readonly string[] = [];
  #kept: Pool | undefined;
  #fresh: Pool | undefined;
  #idleTimeoutMs = 0;
  #idleWaiters: (() => void)[] = [];
  readonly #onChange: () => void;
  #stopWatching: (() => void) | undefined;
  #check: (() => void) | undefined;
  readonly #portWatch: PortWatch;

  constructor(upstream: Upstream, outcomes: Outcomes, onChange: () => void) {
    this.id = upstream.id;
    this.service = upstream.service;
    this.port = upstream.port;
    this.#portWatch = new PortWatch(upstream.port, upstream.id);
    this.outcomes = outcomes;
    this.#onChange = onChange;
  }

  /** Connections that are used again and again. */
  kept(idleTimeoutMs: number): Pool {
    this.#renewPools(idleTimeoutMs);
    this.#kept ??= this.#makePool(idleTimeoutMs, 1);
    return this.#kept;
  }

  /**
   * A connection for one request. A kept one may have died a moment ago, and nobody can tell then whether the request was read; a new
   * one to an instance that is dead is refused before a byte is sent, and so is one to an instance that is being killed.
   */
  fresh(idleTimeoutMs: number): Pool {
    this.#renewPools(idleTimeoutMs);
    this.#fresh ??= this.#makePool(
      idleTimeoutMs,
      0,
      connectForOne(() => this.pid),
    );
    return this.#fresh;
  }

  /** With another limit there are other pools; what is under way in those before ends by theirs. */
  #renewPools(idleTimeoutMs: number): void {
    if (idleTimeoutMs === this.#idleTimeoutMs) return;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#closePools();
  }

  #closePools(): void {
    for (const pool of [this.#kept, this.#fresh]) void pool?.close().catch(() => undefined);
    this.#kept = undefined;
    this.#fresh = undefined;
  }

  #makePool(
    idleTimeoutMs: number,
    pipelining: 0 | 1,
    connect: buildConnector.connector | { timeout: number } = { timeout: CONNECT_TIMEOUT_MS },
  ): Pool {
    return new Pool(`http://127.0.0.1:${this.port}`, {
      pipelining,
      connect,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      headersTimeout: idleTimeoutMs,
      bodyTimeout: idleTimeoutMs,
      maxHeaderSize: 65_536,
    });
  }

  take(): void {
    this.inHand++;
  }

  release(failed: boolean): void {
    this.inHand--;
    if (failed) this.failed++;
    else this.served++;
    if (this.inHand > 0) return;
    for (const wake of this.#idleWaiters.splice(0)) wake();
    if (this.state === "gone") this.#onChange();
  }

  onIdle(wake: () => void): void {
    if (this.inHand === 0) wake();
    else this.#idleWaiters.push(wake);
  }

  /** Checks again at once, so that a connection reset by chance costs milliseconds and not a whole interval. */
  markDown(): void {
    // Without a check nothing would ever bring it back.
    if (!this.#check || this.state !== "attached" || !this.healthy) return;
    this.healthy = false;
    this.#onChange();
    this.#check();
  }

  watch(health: HealthRule | undefined): void {
    this.unwatch();
    if (!health) return;
    const watched = watchHealth(this.port, health, (passes) => {
      // An instance may let go of its port for a moment, and another program be faster: what passes then is that one.
      const healthy = passes && !(this.group !== undefined && this.#portWatch.isForeign(this.group));
      if (this.healthy === healthy) return;
      this.healthy = healthy;
      this.#onChange();
    });
    this.#check = watched.check;
    this.#stopWatching = watched.stop;
  }

  unwatch(): void {
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    this.#check = undefined;
  }

  /** No new request goes out; those in hand finish, and their connections are closed after them. */
  retire(state: "draining" | "gone"): void {
    this.state = state;
    this.unwatch();
    this.#closePools();
  }

  destroy(): void {
    this.unwatch();
    for (const pool of [this.#kept, this.#fresh]) void pool?.destroy().catch(() => undefined);
  }

  describe(): UpstreamStatus {
    const { id, service, port, healthy, inHand, served, failed } = this;
    return { id, service, port, state: this.state === "attached" ? "attached" : "draining", healthy, inHand, served, failed };
  }
}

/** The upstreams of one service that get requests. */
interface Ready {
  /** They divide what the others are not drawn for. */
  open: Member[];
  shared: Member[];
}

/** All upstreams. The lists that requests choose from are made anew on each change, never on a request. */
export class Upstreams {
  #members: Member[] = [];
  #leaving: Member[] = [];
  #ready = new Map<string, Ready>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #healthOf = new Map<string, string>();
  #privatePaths: ReadonlySet<string> = new Set();
  readonly outcomes = new OutcomesById();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Takes over the whole list. When it returns, no request can be given to an upstream that is not attached in it. */
  replace(upstreams: readonly Upstream[]): void {
    const before = new Map([...this.#leaving, ...this.#members].map((member) => [keyOf(member), member]));
    const staying = upstreams.map((upstream) => {
      const former = before.get(keyOf(upstream));
      before.delete(keyOf(upstream));
      return this.#settle(former ?? new Member(upstream, this.outcomes.of(upstream.id), this.#refresh), upstream, !former);
    });
    this.#members = staying;
    for (const member of before.values()) if (member.state !== "gone") member.retire("gone");
    this.#leaving = [...before.values()];
    this.#refresh();
  }

  /** Draws by the shares, then takes the one with the fewest requests in hand; undefined when there is none. */
  choose(service: string, without: readonly Member[]): Member | undefined {
    const ready = this.#ready.get(service);
    if (!ready) return undefined;
    const drawn = ready.shared.length > 0 ? this.#draw(ready.shared) : undefined;
    if (drawn && !without.includes(drawn)) return drawn;
    return this.#leastBusy(ready.open, without) ?? this.#leastBusy(ready.shared, without);
  }

  /**
   * The last resort when none is healthy: an instance that is too busy to answer its check in time may still answer, and our own 503
   * would be no better than what it says.
   */
  chooseUnhealthy(service: string, without: readonly Member[]): Member | undefined {
    return this.#leastBusy(
      this.#members.filter((member) => member.service === service && member.state === "attached"),
      without,
    );
  }

  /** Calls back when the service has an upstream ready or the time is over. The answer cancels. */
  onAppearance(service: string, wake: () => void): () => void {
    const waiting = this.#waiting.get(service) ?? new Set();
    this.#waiting.set(service, waiting);
    const once = () => {
      cancel();
      wake();
    };
    const timer = setTimeout(once, APPEAR_WITHIN_MS);
    const cancel = () => {
      clearTimeout(timer);
      waiting.delete(once);
    };
    waiting.add(once);
    return cancel;
  }

  /** Whether an instance that gets requests keeps the path for Landfall, in whatever spelling. */
  isPrivate(path: string): boolean {
    return this.#privatePaths.size > 0 && this.#privatePaths.has(guardedPath(path));
  }

  withId(id: string): Member[] {
    return [...this.#members, ...this.#leaving].filter((member) => member.id === id);
  }

  all(): Member[] {
    return [...this.#members, ...this.#leaving];
  }

  destroy(): void {
    for (const member of this.all()) member.destroy();
  }

  #draw(shared: readonly Member[]): Member | undefined {
    let point = this.#random();
    for (const member of shared) {
      point -= member.share ?? 0;
      if (point < 0) return member;
    }
    return undefined;
  }

  #leastBusy(members: readonly Member[], without: readonly Member[]): Member | undefined {
    // A random place to begin decides between equals without a list of them.
    const first = members.length > 1 ? Math.floor(this.#random() * members.length) : 0;
    let best: Member | undefined;
    for (let step = 0; step < members.length; step++) {
      const member = members[(first + step) % members.length];
      if (member && (!best || member.inHand < best.inHand) && !without.includes(member)) best = member;
    }
    return best;
  }

  #settle(member: Member, upstream: Upstream, isNew: boolean): Member {
    const { health, privatePaths = [] } = upstream;
    member.privatePaths = privatePaths.map(cutQuery).map((path) => guardedPath(normalisePath(path) ?? path));
    member.share = upstream.share;
    member.pid = upstream.pid;
    member.group = upstream.group;
    if (upstream.state === "draining") {
      if (member.state !== "draining") member.retire("draining");
      return member;
    }
    const returns = member.state !== "attached";
    const rule = JSON.stringify(health);
    if (isNew || returns || this.#healthOf.get(keyOf(member)) !== rule) member.watch(health);
    if (returns) member.healthy = true;
    this.#healthOf.set(keyOf(member), rule);
    member.state = "attached";
    return member;
  }

  #refresh = (): void => {
    this.#leaving = this.#leaving.filter((member) => member.inHand > 0);
    const keys = new Set(this.all().map(keyOf));
    for (const key of this.#healthOf.keys()) if (!keys.has(key)) this.#healthOf.delete(key);
    this.outcomes.trim(new Set(this.all().map(({ id }) => id)));
    this.#privatePaths = new Set(this.#members.flatMap((member) => (member.state === "attached" ? member.privatePaths : [])));
    const ready = new Map<string, Ready>();
    for (const member of this.#members) {
      if (member.state !== "attached" || !member.healthy) continue;
      const of = ready.get(member.service) ?? { open: [], shared: [] };
      (member.share === undefined ? of.open : of.shared).push(member);
      ready.set(member.service, of);
    }
    this.#ready = ready;
    for (const service of this.#ready.keys()) for (const wake of [...(this.#waiting.get(service) ?? [])]) wake();
  };
}

const keyOf = (upstream: { id: string; service: string; port: number }): string => `${upstream.id} ${upstream.service} ${upstream.port}`;
