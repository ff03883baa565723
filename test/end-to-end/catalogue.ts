// The catalogue of faults that a release can have and of oddities that are none: what each is, what its diagnosis must say, and
// from when it could have been known. The end-to-end test runs each fault once, bench/faults.ts all of it many times.
import type { ErrorCode } from "../../src/error.ts";

/** Numbers from 0 to 1: the same seed, the same run. */
export type Random = () => number;

export interface Variant {
  /** Whether the instances that serve say “not yet” when they are asked to stop. */
  veto?: boolean;
  /** What fault.json holds. */
  fault: { web?: string; worker?: string; migrate?: string; ms?: number; saying?: string; port?: number };
  /** Instead of the fixture's own configuration. */
  config?: { command?: string; worker?: string; startupTimeout?: string; status?: string; expandTimeout?: string; port?: number };
}

/** The moment from which a fault could be known, by what the fixture wrote down; see `knowableAt`. */
export type Knowable =
  /** A process ended. */
  | { event: string }
  /** So long after the first process of the release was started: a deadline, and what is still watched after it. */
  | { afterMs: number };

export interface Fault {
  name: string;
  make: (random: Random) => Variant;
  /** Each of these is right. The same fault may be met as one or the other when two instances start at once. */
  codes: ErrorCode[];
  /** What must be in the text of the error. */
  evidence: string[];
  knowable: Knowable;
}

export interface Oddity {
  name: string;
  make: (random: Random) => Variant;
}

const EXIT = { event: "exit" };
const ANSWERED_THRICE = { event: "check 3" };
const LISTENS = { event: "listening" };

const between = (random: Random, from: number, to: number): number => Math.round(from + random() * (to - from));
const oneOf = <T>(random: Random, all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
const web = (mode: string, config?: Variant["config"]) => (): Variant => ({ fault: { web: mode }, config: { startupTimeout: "15s", ...config } });
const python = (mode: string) => (): Variant => ({ fault: {}, config: { command: `exec python3 faulty.py ${mode}` } });
const says =
  (...sayings: string[]) =>
  (random: Random): Variant => ({ fault: { web: "says", saying: oneOf(random, sayings), ms: between(random, 0, 1_500) } });
/** A deadline of two seconds, and two more in which a slow instance would still be recognised. */
const SHORT = { startupTimeout: "2s" };
const AT_THE_END = { afterMs: 4_000 };

export const FAULTS: Fault[] = [
  {
    name: "crash at start",
    make: web("crash"),
    codes: ["INSTANCE_CRASHED"],
    evidence: ["ended with status 1", "Cannot read properties"],
    knowable: EXIT,
  },
  {
    name: "crash after a while",
    make: (random) => ({ fault: { web: "crash-later", ms: between(random, 200, 3_000) } }),
    codes: ["INSTANCE_CRASHED"],
    evidence: ["ended with status 1", "Cannot read properties"],
    knowable: EXIT,
  },
  { name: "crash in Python", make: python("crash"), codes: ["INSTANCE_CRASHED"], evidence: ["ZeroDivisionError"], knowable: EXIT },
  { name: "killed by a signal", make: web("killed"), codes: ["INSTANCE_CRASHED"], evidence: ["killed by SIGSEGV"], knowable: EXIT },
  { name: "comes to its end", make: web("ends"), codes: ["INSTANCE_ENDED"], evidence: ["ended with status 0"], knowable: EXIT },
  { name: "goes to the background", make: web("to-the-background"), codes: ["INSTANCE_IN_BACKGROUND"], evidence: ["background"], knowable: EXIT },
  {
    name: "command not found",
    make: () => ({ fault: {}, config: { command: "exec gunicorn-of-nobody web:app" } }),
    codes: ["INSTANCE_COMMAND_NOT_FOUND"],
    evidence: ["gunicorn-of-nobody", "status 127"],
    knowable: { afterMs: 0 },
  },
  {
    name: "command not executable",
    make: () => ({ fault: {}, config: { command: "exec ./package.json" } }),
    codes: ["INSTANCE_COMMAND_NOT_EXECUTABLE"],
    evidence: ["./package.json", "status 126"],
    knowable: { afterMs: 0 },
  },
  {
    name: "folder missing",
    make: () => ({ fault: {}, config: { command: "cd server && exec node web.js" } }),
    codes: ["INSTANCE_FILE_MISSING"],
    evidence: ['"server"'],
    knowable: { afterMs: 0 },
  },
  {
    name: "file missing",
    make: web("missing-file"),
    codes: ["INSTANCE_FILE_MISSING"],
    evidence: ["config/settings.json is not there"],
    knowable: EXIT,
  },
  {
    name: "module missing",
    make: web("missing-module"),
    codes: ["INSTANCE_FILE_MISSING"],
    evidence: ['"express-session-of-nobody"'],
    knowable: EXIT,
  },
  {
    name: "module missing in Python",
    make: python("missing-module"),
    codes: ["INSTANCE_FILE_MISSING"],
    evidence: ['"flask_of_nobody"'],
    knowable: EXIT,
  },
  { name: "file missing in Python", make: python("missing-file"), codes: ["INSTANCE_FILE_MISSING"], evidence: ["settings.toml"], knowable: EXIT },
  {
    name: "file or module missing in Ruby",
    make: says("rubyModule", "rubyFile"),
    codes: ["INSTANCE_FILE_MISSING"],
    evidence: ["does not find"],
    knowable: EXIT,
  },
  {
    name: "variable missing in Python",
    make: python("missing-variable"),
    codes: ["INSTANCE_VARIABLE_MISSING"],
    evidence: ['"SMTP_PASSWORD"', "is not in the configuration"],
    knowable: EXIT,
  },
  {
    name: "variable missing",
    make: says("envalid", "prisma", "pydantic", "decouple", "djangoEnviron", "rubyFetch", "elixir", "go", "shell", "spring", "node"),
    codes: ["INSTANCE_VARIABLE_MISSING"],
    evidence: ['"STRIPE_KEY"', "is not in the configuration"],
    knowable: EXIT,
  },
  {
    name: "nothing listens there",
    make: web("resource-unreachable"),
    codes: ["INSTANCE_RESOURCE_UNREACHABLE"],
    evidence: ["127.0.0.1:1"],
    knowable: EXIT,
  },
  {
    name: "nothing listens there, in Python",
    make: python("unreachable"),
    codes: ["INSTANCE_RESOURCE_UNREACHABLE"],
    evidence: ["ConnectionRefusedError"],
    knowable: EXIT,
  },
  {
    name: "nothing listens there, in other words",
    make: says("psycopgRefused", "sqlalchemyRefused", "redisPyRefused", "rubyRefused", "goRefused", "dns"),
    codes: ["INSTANCE_RESOURCE_UNREACHABLE"],
    evidence: ["none of the app's resources"],
    knowable: EXIT,
  },
  {
    name: "tries to connect for ever",
    make: web("resource-unreachable-again-and-again"),
    codes: ["INSTANCE_RESOURCE_UNREACHABLE"],
    evidence: ["127.0.0.1:1"],
    knowable: { afterMs: 1_000 },
  },
  {
    name: "password refused",
    make: web("resource-refused"),
    codes: ["INSTANCE_RESOURCE_REFUSED"],
    evidence: ['cache "cache"', "takes connections now"],
    knowable: EXIT,
  },
  {
    name: "password refused, in other words",
    make: says("pgPassword", "psycopgPassword", "redisPy", "ioredis"),
    codes: ["INSTANCE_RESOURCE_REFUSED"],
    evidence: ["was refused by"],
    knowable: EXIT,
  },
  {
    name: "out of memory",
    make: () => ({ fault: { web: "out-of-memory" }, config: { command: "exec node --max-old-space-size=30 web.js" } }),
    codes: ["INSTANCE_OUT_OF_MEMORY"],
    evidence: ["heap out of memory", "are free on this machine"],
    knowable: EXIT,
  },
  { name: "out of memory in Python", make: python("out-of-memory"), codes: ["INSTANCE_OUT_OF_MEMORY"], evidence: ["MemoryError"], knowable: EXIT },
  { name: "disk full", make: web("disk-full"), codes: ["INSTANCE_DISK_FULL"], evidence: ["ENOSPC", "are free at"], knowable: EXIT },
  { name: "disk full in Python", make: python("disk-full"), codes: ["INSTANCE_DISK_FULL"], evidence: ["No space left on device"], knowable: EXIT },
  { name: "port in use", make: web("port-in-use"), codes: ["INSTANCE_PORT_IN_USE"], evidence: ["resource.cache"], knowable: EXIT },
  {
    name: "port in use in Python",
    make: python("port-in-use"),
    codes: ["INSTANCE_PORT_IN_USE"],
    evidence: ["in use", "PORT"],
    knowable: EXIT,
  },
  {
    name: "port in use, in other words",
    make: says("gunicornPort", "uvicornPort", "pumaPort"),
    codes: ["INSTANCE_PORT_IN_USE"],
    evidence: ["port 8000"],
    knowable: EXIT,
  },
  {
    name: "another port",
    make: web("wrong-port"),
    codes: ["INSTANCE_WRONG_PORT"],
    evidence: ["passes the health check", "connection refused"],
    knowable: LISTENS,
  },
  {
    name: "the configuration's port",
    make: (random) => {
      const port = between(random, 32_100, 32_700);
      return { fault: { web: "configured-port", port }, config: { port, startupTimeout: "15s" } };
    },
    // The second of two instances finds it taken by the first.
    codes: ["INSTANCE_WRONG_PORT", "INSTANCE_PORT_IN_USE"],
    evidence: ["PORT"],
    knowable: LISTENS,
  },
  { name: "IPv6 only", make: web("ipv6-only"), codes: ["INSTANCE_WRONG_ADDRESS"], evidence: ["[::1]:", "connection refused"], knowable: LISTENS },
  { name: "another interface", make: web("other-interface"), codes: ["INSTANCE_WRONG_ADDRESS"], evidence: ["127.0.0.2:"], knowable: LISTENS },
  {
    name: "answers 500",
    make: web("health-500"),
    codes: ["HEALTH_STATUS"],
    evidence: ["with 500", "Internal Server Error"],
    knowable: ANSWERED_THRICE,
  },
  { name: "answers 404", make: web("health-404"), codes: ["HEALTH_STATUS"], evidence: ["with 404", "Cannot GET /health"], knowable: ANSWERED_THRICE },
  { name: "answers 302", make: web("health-302"), codes: ["HEALTH_STATUS"], evidence: ["with 302", "/login"], knowable: ANSWERED_THRICE },
  { name: "answers 401", make: web("health-401"), codes: ["HEALTH_STATUS"], evidence: ["with 401", "login"], knowable: ANSWERED_THRICE },
  {
    name: "answers 500 with its cause",
    make: web("health-500-unreachable"),
    codes: ["INSTANCE_RESOURCE_UNREACHABLE"],
    evidence: ['cache "cache"'],
    knowable: ANSWERED_THRICE,
  },
  { name: "answers 503 for ever", make: web("health-503", SHORT), codes: ["HEALTH_STATUS"], evidence: ["with 503", "not yet"], knowable: AT_THE_END },
  { name: "answers this and that", make: web("health-changes", SHORT), codes: ["HEALTH_NEVER_PASSED"], evidence: ["502"], knowable: AT_THE_END },
  { name: "does not answer", make: web("silent", SHORT), codes: ["HEALTH_TIMED_OUT"], evidence: ["no whole answer in time"], knowable: AT_THE_END },
  { name: "closes the connection", make: web("closes"), codes: ["HEALTH_NOT_HTTP"], evidence: ["connection closed"], knowable: { afterMs: 800 } },
  { name: "speaks no HTTP", make: web("no-http"), codes: ["HEALTH_NOT_HTTP"], evidence: ["no HTTP"], knowable: { afterMs: 800 } },
  { name: "does not listen", make: web("not-listening", SHORT), codes: ["INSTANCE_NOT_LISTENING"], evidence: ["nowhere"], knowable: AT_THE_END },
  {
    name: "slow start",
    make: (random) => ({ fault: { web: "slow-start", ms: between(random, 5_500, 7_500) }, config: { startupTimeout: "5s" } }),
    codes: ["INSTANCE_SLOW_START"],
    evidence: ["5s were allowed", "health.startupTimeout"],
    knowable: { event: "check 1" },
  },
  {
    name: "someone else answers",
    make: web("foreign"),
    codes: ["INSTANCE_FOREIGN_ANSWER"],
    evidence: ["none of this environment's processes"],
    knowable: { event: "check" },
  },
  {
    name: "leaks its environment",
    make: web("leak-all"),
    codes: ["HEALTH_LEAKS"],
    evidence: ["SESSION_KEY", "GREETING", "not shown"],
    knowable: { event: "check 1" },
  },
  { name: "leaks a secret", make: web("leak-secret"), codes: ["HEALTH_LEAKS"], evidence: ["SESSION_KEY"], knowable: { event: "check 1" } },
  { name: "leaks a password", make: web("leak-password"), codes: ["HEALTH_LEAKS"], evidence: ["CACHE_URL"], knowable: { event: "check 1" } },
  {
    name: "migration fails",
    make: () => ({ fault: { migrate: "fails" } }),
    codes: ["MIGRATION_FAILED"],
    evidence: ["already exists"],
    knowable: EXIT,
  },
  {
    name: "migration too slow",
    make: () => ({ fault: { migrate: "hangs" }, config: { expandTimeout: "1s" } }),
    codes: ["MIGRATION_TIMED_OUT"],
    evidence: ["1s"],
    knowable: { afterMs: 1_000 },
  },
  {
    name: "web does not stop",
    make: web("ignores-sigterm"),
    codes: ["INSTANCE_IGNORED_STOP"],
    evidence: ["SIGTERM"],
    knowable: { event: "asked to stop" },
  },
  {
    name: "worker crashes",
    make: () => ({ fault: { worker: "crash" } }),
    codes: ["INSTANCE_CRASHED"],
    evidence: ['"worker"', "status 1"],
    knowable: EXIT,
  },
  {
    name: "worker crashes once it is loaded",
    make: (random) => ({ fault: { worker: "crash-when-loaded", ms: between(random, 500, 3_000) } }),
    codes: ["INSTANCE_CRASHED"],
    evidence: ['"worker"', "status 1"],
    knowable: EXIT,
  },
  {
    name: "worker crashes after it settled",
    make: (random) => ({ fault: { worker: "crash-later", ms: between(random, 1_100, 1_700) } }),
    codes: ["INSTANCE_CRASHED"],
    evidence: ['"worker"', "status 1", "Cannot read properties"],
    knowable: EXIT,
  },
  {
    name: "old instances never allow it",
    make: () => ({ fault: {}, veto: true }),
    codes: ["DRAIN_VETOED"],
    evidence: ["/deploy/ready", "jobs in hand"],
    knowable: { afterMs: 2_000 },
  },
  {
    name: "worker misses a variable",
    make: () => ({ fault: { worker: "missing-variable" } }),
    codes: ["INSTANCE_VARIABLE_MISSING"],
    evidence: ['"QUEUE_NAME"'],
    knowable: EXIT,
  },
];

const odd = (name: string, make: Oddity["make"]): Oddity => ({ name, make });
/** An oddity of the web process that lasts so long. */
const lasting =
  (mode: string, fromMs: number, toMs: number, config?: Variant["config"]) =>
  (random: Random): Variant => ({ fault: { web: mode, ms: between(random, fromMs, toMs) }, config });

export const ODDITIES: Oddity[] = [
  odd("nothing odd", () => ({ fault: {} })),
  odd("opens its metrics port first", lasting("metrics-first", 500, 4_000)),
  odd("opens its metrics port first and takes half of its deadline", lasting("metrics-first", 6_000, 8_000, { startupTimeout: "15s" })),
  odd("opens an admin port first", lasting("admin-first", 500, 4_000)),
  odd("answers 500 at first", lasting("soon-500", 300, 4_000)),
  odd("answers 404 at first", lasting("soon-404", 300, 4_000)),
  odd("answers 502 at first", lasting("soon-502", 300, 4_000)),
  odd("answers 503 for half of its deadline", lasting("soon-503", 6_000, 8_000, { startupTimeout: "15s" })),
  odd("does not answer at first", lasting("soon-silent", 300, 3_000)),
  odd("closes connections at first", lasting("soon-closed", 300, 4_000)),
  odd("answers 500 as long as it says what it does", lasting("soon-counting", 5_500, 7_500)),
  odd("answers 500 as long as it works", lasting("busy-behind-500", 5_500, 7_500)),
  odd("is slow", lasting("slow", 500, 4_000)),
  odd("takes half of its deadline", lasting("slow", 6_000, 8_000, { startupTimeout: "15s" })),
  odd("is slow and works", lasting("slow-busy", 500, 4_000)),
  odd("forks", () => ({ fault: { web: "forks" } })),
  odd("starts its child again", lasting("child-crashes-twice", 100, 800)),
  odd("starts itself again", () => ({ fault: {}, config: { command: "for n in 1 2; do false; sleep 0.3; done; exec node web.js" } })),
  odd("leaves its process group", () => ({ fault: { web: "leaves-the-group" } })),
  odd("complains while it is healthy", () => ({ fault: { web: "noisy-while-healthy" } })),
  odd("complains while it starts", lasting("noisy-while-starting", 1_000, 4_000)),
  odd("tries to connect again and again, and does", lasting("tries-again", 1_000, 4_000)),
  odd("listens on all interfaces", () => ({ fault: { web: "all-interfaces" } })),
  odd("listens on IPv6 and IPv4 at once", () => ({ fault: { web: "dual-stack" } })),
  odd("tells of itself", () => ({ fault: { web: "tells-of-itself" } })),
  odd("has a large answer", () => ({ fault: { web: "large-body" } })),
  odd("answers in pieces", () => ({ fault: { web: "body-in-pieces" } })),
  odd("has a metrics port", () => ({ fault: { web: "with-metrics" } })),
  odd("has an open debugger", () => ({ fault: { web: "slow", ms: 2_000 }, config: { command: "exec node --inspect=127.0.0.1:0 web.js" } })),
  odd("moved, which is accepted", () => ({ fault: { web: "health-302" }, config: { status: "200-399" } })),
  odd("runs in Python", () => ({ fault: {}, config: { command: "exec python3 faulty.py serve" } })),
  odd("migrates slowly", (random) => ({ fault: { migrate: "slow", ms: between(random, 500, 2_000) } })),
  odd("has a busy worker", () => ({ fault: { worker: "busy" } })),
  odd("has a worker that complains", () => ({ fault: { worker: "noisy" } })),
  odd("has a worker that does not stop", () => ({ fault: { worker: "ignores-stop" } })),
  odd("has a worker that is slow to stop", () => ({ fault: { worker: "slow-stop", ms: 600 } })),
];

/** The fixture's configuration for one release. */
export function configOf(name: string, config: Variant["config"] = {}): string {
  const {
    command = "exec node web.js",
    worker = "exec node worker.js",
    startupTimeout = "30s",
    status = "200-299",
    expandTimeout = "30s",
    port = 8080,
  } = config;
  // An instance that serves alone is not to be left out because a busy machine answers late.
  const patience = { interval: "200ms", timeout: startupTimeout === SHORT.startupTimeout ? "500ms" : "2s", unhealthyAfter: 50, startupTimeout };
  // Most of the faults show before it, and each is waited for many times.
  const steadyFor = "1s";
  const health = { path: "/health", status, ...patience, steadyFor };
  const app = {
    name,
    services: {
      web: {
        command,
        port,
        health,
        drain: { ask: "/deploy/ready", timeout: "2s" },
        stop: { timeout: "1s" },
        environment: { GREETING: "Good day to everyone" },
        secrets: ["SESSION_KEY"],
      },
      worker: { command: worker, health: { steadyFor }, stop: { timeout: "1s" } },
    },
    resources: { cache: { type: "cache" } },
    release: { expand: "node migrate.js", timeout: expandTimeout },
  };
  return `import { defineApp } from "landfall";\n\nexport default defineApp(${JSON.stringify(app, null, 2)});\n`;
}
