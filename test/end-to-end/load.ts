// Steady, checked load on the guestbook: what the end-to-end tests run during every change, to prove that nothing was lost.
// Requests leave at a constant rate whatever the answers do, so that a stall shows as latency instead of as fewer requests.
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Agent, type Dispatcher } from "undici";
import { openSockets, type Sockets } from "./sockets.ts";

export type RequestKind = "list" | "static" | "post" | "slow" | "upload";
export type LoadKind = RequestKind | "websocket";

export interface LoadOptions {
  /** The guestbook's address, without a path. */
  url: string;
  /** Requests started each second, of all kinds but the WebSocket. */
  perSecond: number;
  /** Relative weights. Default: list 50, static 30, post 14, slow 2, upload 4. A kind that is left out is not sent. */
  mix?: Partial<Record<RequestKind, number>>;
  /** WebSocket connections that are held open; each sends four numbered messages a second. */
  ws: number;
  /** For an address with a certificate of a local authority: its PEM text. */
  authority?: string;
}

export interface LoadFailure {
  kind: LoadKind;
  /** Milliseconds since 1970. */
  at: number;
  detail: string;
}

export interface Latency {
  p50: number;
  p99: number;
  max: number;
}

export interface LoadReport {
  /** Requests and WebSocket messages that came to an end, well or not. */
  requests: number;
  failures: LoadFailure[];
  byKind: Record<LoadKind, { requests: number; failures: number }>;
  /** Of all requests but slow ones, from the moment they were due. */
  latencyMs: Latency;
  /** WebSocket connections that the server closed in an orderly way and that were opened again. */
  reconnects: number;
}

export interface Load {
  /** The failures so far. */
  readonly failures: readonly LoadFailure[];
  /** The requests that have come to an end so far. */
  readonly requests: number;
  /** Of the requests that ended since the call before: which step made clients wait. */
  latencySince(): Latency;
  /** Sends no more, waits for what is under way (every request ends within its time-out), and reports. */
  stop(): Promise<LoadReport>;
}

const USUAL_MIX: Record<RequestKind, number> = { list: 50, static: 30, post: 14, slow: 2, upload: 4 };
const TICK_MS = 10;
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECTIONS_MAX = 256;
const SLOW_CHUNKS = 20;
const SLOW_EVERY_MS = 100;
const PICTURE_BYTES = 20_000;
const PNG_BEGINS = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** What one load run knows and counts. */
interface Run {
  origin: string;
  agent: Dispatcher;
  byKind: LoadReport["byKind"];
  failures: LoadFailure[];
  latenciesMs: number[];
  stopped: boolean;
  numbered: number;
}

/**
 * Starts the load; returns at once. Nothing is tried again: a request that a balancer lost is a failure.
 *
 * @example
 * const load = startLoad({ url: "http://127.0.0.1:20080", perSecond: 200, ws: 20 });
 * await deploy();
 * expect((await load.stop()).failures).toEqual([]);
 */
export function startLoad(options: LoadOptions): Load {
  const run: Run = {
    origin: new URL(options.url).origin,
    agent: new Agent({
      connections: CONNECTIONS_MAX,
      pipelining: 1,
      headersTimeout: REQUEST_TIMEOUT_MS,
      bodyTimeout: REQUEST_TIMEOUT_MS,
      connect: { timeout: REQUEST_TIMEOUT_MS, ca: options.authority },
    }),
    byKind: countersByKind(),
    failures: [],
    latenciesMs: [],
    stopped: false,
    numbered: 0,
  };
  const count = (kind: LoadKind, fault?: string) => {
    run.byKind[kind].requests += 1;
    if (fault === undefined) return;
    run.byKind[kind].failures += 1;
    run.failures.push({ kind, at: Date.now(), detail: fault });
  };
  const sockets = openSockets({ url: options.url, number: options.ws, authority: options.authority, count: (fault) => count("websocket", fault) });
  const sending = sendSteadily(run, options, count);
  let told = 0;
  return {
    failures: run.failures,
    get requests() {
      return sum(run);
    },
    latencySince() {
      const since = run.latenciesMs.slice(told);
      told = run.latenciesMs.length;
      return latencyOf(since);
    },
    stop: () => finish(run, sending, sockets),
  };
}

function countersByKind(): LoadReport["byKind"] {
  const counter = () => ({ requests: 0, failures: 0 });
  return { list: counter(), static: counter(), post: counter(), slow: counter(), upload: counter(), websocket: counter() };
}

const sum = (run: Run): number => Object.values(run.byKind).reduce((total, { requests }) => total + requests, 0);

async function finish(run: Run, sending: Promise<void>, sockets: Sockets): Promise<LoadReport> {
  run.stopped = true;
  await Promise.all([sending, sockets.stop()]);
  await run.agent.close();
  return {
    requests: sum(run),
    failures: run.failures,
    byKind: run.byKind,
    latencyMs: latencyOf(run.latenciesMs),
    reconnects: sockets.reconnects,
  };
}

function latencyOf(latenciesMs: readonly number[]): Latency {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** Starts what is due at each tick. When this process was late, it starts all that it missed: the rate holds on average. */
async function sendSteadily(run: Run, options: LoadOptions, count: (kind: LoadKind, fault?: string) => void): Promise<void> {
  const kinds = spreadKinds(options.mix ?? USUAL_MIX);
  const underWay = new Set<Promise<void>>();
  const begunAt = performance.now();
  for (let sent = 0; kinds.length > 0 && !run.stopped; await sleep(TICK_MS)) {
    const due = Math.floor(((performance.now() - begunAt) / 1000) * options.perSecond);
    for (; sent < due; sent++) {
      const dueAt = begunAt + (sent / options.perSecond) * 1000;
      const one: Promise<void> = sendOne(run, kinds[sent % kinds.length] as RequestKind, dueAt, count).finally(() => underWay.delete(one));
      underWay.add(one);
    }
  }
  await Promise.all(underWay);
}

/** One round of kinds in the mix' proportions, interleaved so that no kind comes in bursts. */
function spreadKinds(mix: Partial<Record<RequestKind, number>>): RequestKind[] {
  return (Object.entries(mix) as [RequestKind, number][])
    .flatMap(([kind, weight]) => Array.from({ length: weight }, (_, i) => ({ kind, place: (i + 0.5) / weight })))
    .sort((a, b) => a.place - b.place)
    .map(({ kind }) => kind);
}

async function sendOne(run: Run, kind: RequestKind, dueAt: number, count: (kind: LoadKind, fault?: string) => void): Promise<void> {
  let fault: string | undefined;
  try {
    fault = await REQUESTS[kind](run);
  } catch (error) {
    fault = describeError(error);
  }
  if (kind !== "slow") run.latenciesMs.push(performance.now() - dueAt);
  count(kind, fault);
}

export function describeError(error: unknown): string {
  const { name, code, message, cause } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException };
  return [name, code, message, cause?.code ?? cause?.message].filter(Boolean).join(" ");
}

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

async function ask(run: Run, path: string, request: { method?: "GET" | "POST"; body?: string | Buffer; type?: string } = {}): Promise<Answer> {
  const { statusCode, headers, body } = await run.agent.request({
    origin: run.origin,
    path,
    method: request.method ?? "GET",
    body: request.body,
    headers: request.type ? { "content-type": request.type } : {},
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  return { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
}

/** Undefined when the status is as it should be, else the request and the answer in one line. */
const findStatusFault = (asked: string, answer: Answer, expected: number): string | undefined =>
  answer.status === expected
    ? undefined
    : `${asked} answered ${answer.status} instead of ${expected}, release ${answer.headers["x-landfall-release"] ?? "-"}: ${answer.body.toString().slice(0, 200)}`;

/** Each sends one request (or two that belong together) and returns what was wrong with the answer. */
const REQUESTS: Record<RequestKind, (run: Run) => Promise<string | undefined>> = {
  list: async (run) => {
    const answer = await ask(run, "/");
    const page = answer.body.toString();
    const whole = page.startsWith("<!doctype html>") && page.includes('id="entries"') && page.endsWith("</html>\n");
    return findStatusFault("GET /", answer, 200) ?? (whole ? undefined : `GET / answered a page of ${page.length} characters that is not whole`);
  },

  static: async (run) => {
    // The page names the file. During a rollout a page of one release may ask an instance of the other; so the file is one
    // that is in the page that was just read, and a 404 is only a fault when the same release answered both.
    const page = await ask(run, "/");
    const path = page.body.toString().match(/\/assets\/style\.[0-9a-f]{10}\.css/)?.[0];
    if (page.status !== 200 || !path) return findStatusFault("GET /", page, 200) ?? "GET / names no style sheet";
    const file = await ask(run, path);
    if (file.status === 404 && file.headers["x-landfall-release"] !== page.headers["x-landfall-release"]) return undefined;
    const hash = createHash("sha256").update(file.body).digest("hex").slice(0, 10);
    return (
      findStatusFault(`GET ${path}`, file, 200) ??
      (path.includes(hash) ? undefined : `GET ${path} answered ${file.body.length} bytes with the hash ${hash}`)
    );
  },

  post: async (run) => {
    run.numbered += 1;
    const sent = { name: `Load & <co> ${run.numbered}`, message: `"${randomBytes(60).toString("base64")}" ’s message ${run.numbered}` };
    const answer = await ask(run, "/entries", { method: "POST", type: "application/json", body: JSON.stringify(sent) });
    if (answer.status !== 201) return findStatusFault("POST /entries", answer, 201);
    const entry = JSON.parse(answer.body.toString());
    if (entry.name !== sent.name || entry.message !== sent.message) return `POST /entries answered ${answer.body} for ${JSON.stringify(sent)}`;
    const read = await ask(run, `/entries/${entry.id}`);
    const fault = findStatusFault(`GET /entries/${entry.id}`, read, 200);
    return (
      fault ??
      (JSON.parse(read.body.toString()).message === sent.message
        ? undefined
        : `GET /entries/${entry.id} answered ${read.body} after ${JSON.stringify(sent)}`)
    );
  },

  slow: async (run) => {
    const path = `/slow?chunks=${SLOW_CHUNKS}&every=${SLOW_EVERY_MS}`;
    const answer = await ask(run, path);
    const expected = `${Array.from({ length: SLOW_CHUNKS }, (_, i) => `line ${i + 1} of ${SLOW_CHUNKS}\n`).join("")}end\n`;
    const got = answer.body.toString();
    return (
      findStatusFault(`GET ${path}`, answer, 200) ?? (got === expected ? undefined : `GET ${path} ended after ${JSON.stringify(got.slice(-40))}`)
    );
  },

  upload: async (run) => {
    const sent = Buffer.concat([PNG_BEGINS, randomBytes(PICTURE_BYTES)]);
    const answer = await ask(run, "/pictures", { method: "POST", type: "image/png", body: sent });
    if (answer.status !== 201) return findStatusFault("POST /pictures", answer, 201);
    const { url } = JSON.parse(answer.body.toString());
    const kept = await ask(run, url);
    return (
      findStatusFault(`GET ${url}`, kept, 200) ??
      (kept.body.equals(sent) ? undefined : `GET ${url} answered ${kept.body.length} bytes that differ from the ${sent.length} that were sent`)
    );
  },
};

/** `npx jiti test/end-to-end/load.ts --url http://127.0.0.1:20080 --per-second 200 --ws 20 --seconds 30`; exit status 1 after a failure. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      "per-second": { type: "string", default: "100" },
      ws: { type: "string", default: "10" },
      seconds: { type: "string", default: "10" },
    },
  });
  if (!values.url) throw new Error("--url is missing: the address of a guestbook");
  const load = startLoad({ url: values.url, perSecond: Number(values["per-second"]), ws: Number(values.ws) });
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  await sleep(Number(values.seconds) * 1000, undefined, { signal: interrupted.signal }).catch(() => {});
  const report = await load.stop();
  console.log(JSON.stringify(report, null, 2));
  process.exitCode = report.failures.length > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
