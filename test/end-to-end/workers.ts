// Workers of real programs, each with a queue of its own and a stream of jobs, in one environment: what the tests and bench/workers.ts deploy
// again and again, to count what became of each job. Every job writes down that it begins and that it is done, so that a job which a
// worker took and lost is seen even where its broker gives it out again.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { ensurePython } from "../python.ts";
import { change, makeSandbox } from "./sandbox.ts";
import { loadVariables } from "./variables.ts";

const CELERY = "python -m celery -A jobs worker --loglevel INFO --concurrency 2 --queues $KIND";

/** Each kind by the command of its service. */
export const KINDS = {
  /** Its parent waits for its children, who know nothing of signals and die of them. */
  celery: CELERY,
  /** The same on the environment's queue, where a job that was lost comes again after a while. */
  sqs: CELERY,
  /** A child for each job. A signal between taking a job and beginning it makes RQ leave that job aside, until its maintenance finds it. */
  rq: "python -m rq.cli worker --url $REDIS_URL --maintenance-interval 10 $KIND",
  node: "exec node parent.js",
  npm: "npm start",
  /** Shells that forward nothing: one dies of the signal, the others wait for their worker. */
  wrapped: "sh wrapped.sh",
  dash: "dash trapped.sh",
  bash: "bash trapped.sh",
} as const;
export type Kind = keyof typeof KINDS;

/** What the tests of workers and servers of Python need. */
export const PACKAGES = [
  "celery==5.7.0",
  "redis==8.1.0",
  "rq==3.0.0",
  "boto3==1.44.8",
  "pycurl==7.49.0",
  "packaging==26.4",
  "gunicorn==27.0.1",
  "uvicorn==0.54.0",
];
/** Two are done at a time, which take two seconds on average. */
const EVERY_S = 1.2;
/** RQ looks after a minute for what was left aside. */
const LAST_JOBS_MS = 120_000;

export interface Tally {
  sent: number;
  finished: number;
  /** Begun and never done, however often it was given out again, or never begun. */
  lost: number[];
  /** Begun more than once. */
  twice: number[];
}

export interface Workers {
  /** Deploys a release that differs from the one before by a line. Returns how long it took. */
  rollOut(): Promise<number>;
  /** Ends the streams, waits for what was sent, and counts. */
  count(): Promise<Record<Kind, Tally>>;
  close(): Promise<void>;
}

/** A worker that is stopped may take `stopTimeout` for the jobs that it has in hand. */
export async function openWorkers(kinds: readonly Kind[], { stopTimeout = "20s" } = {}): Promise<Workers> {
  const python = ensurePython(PACKAGES);
  process.env.PATH = [dirname(python), process.env.PATH].join(delimiter);
  const sandbox = makeSandbox();
  const folder = join(sandbox.folder, "done");
  mkdirSync(folder);
  const app = sandbox.copyApp("test/fixtures/apps/workers");
  const redis = await startRedis();
  const environment = { REDIS_URL: redis.url, JOBS_FOLDER: folder };
  change(app, "landfall.config.ts", configOf(kinds, environment, stopTimeout));
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await sandbox.run(app, ...args);
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
    return stdout;
  };
  const close = async () => {
    await sandbox.dispose();
    redis.server.kill();
  };
  try {
    await run("commission", "local");
    await run("deploy", "local");
    const variables = { ...environment, ...loadVariables(pathsOf(sandbox.home, "workers", "local")) };
    const streams = new Map(kinds.map((kind) => [kind, startStream(python, app, { ...variables, KIND: kind })]));
    let releases = 0;
    return {
      async rollOut() {
        const began = performance.now();
        change(app, "release.txt", `${++releases}\n`);
        await run("deploy", "local");
        return performance.now() - began;
      },
      async count() {
        const sent = new Map(await Promise.all([...streams].map(async ([kind, stream]) => [kind, await stream.end()] as const)));
        const tallies = () => kinds.map((kind) => [kind, tallyOf(join(folder, kind), sent.get(kind) as number)] as const);
        const end = performance.now() + LAST_JOBS_MS;
        while (tallies().some(([, { sent, finished }]) => finished < sent) && performance.now() < end) await sleep(200);
        return Object.fromEntries(tallies()) as Record<Kind, Tally>;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function configOf(kinds: readonly Kind[], environment: Record<string, string>, stopTimeout: string): string {
  const services = kinds.map((kind) => [
    kind,
    {
      // A worker of RQ does one job at a time, all others two.
      instances: kind === "rq" ? 2 : 1,
      command: KINDS[kind],
      environment: { ...environment, KIND: kind },
      stop: { timeout: stopTimeout },
      drain: { timeout: "5s" },
      health: { steadyFor: "1s" },
    },
  ]);
  const resources = { jobs: { type: "queue", visibilityTimeout: "20s" } };
  return `import { defineApp } from "landfall";\n\nexport default defineApp(${JSON.stringify({ name: "workers", resources, services: Object.fromEntries(services) }, undefined, 2)});\n`;
}

async function startRedis(): Promise<{ url: string; server: ChildProcess }> {
  const port = await freePort();
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], { stdio: "pipe" });
  for await (const line of createInterface(server.stdout)) if (line.includes("Ready to accept connections")) break;
  server.stdout.resume();
  return { url: `redis://127.0.0.1:${port}/0`, server };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** `end` returns the number of its last job; they are numbered from 1. */
function startStream(python: string, app: string, environment: Record<string, string>): { end(): Promise<number> } {
  const child = spawn(python, ["send.py", String(EVERY_S)], {
    cwd: app,
    // In the app's folder they would be changes that no commit has.
    env: { ...process.env, ...environment, PYTHONDONTWRITEBYTECODE: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let last = 0;
  createInterface(child.stdout).on("line", (line) => (last = Number(line)));
  const ended = new Promise((resolve) => child.once("close", resolve));
  return {
    async end() {
      child.stdin.end();
      await ended;
      return last;
    },
  };
}

function tallyOf(file: string, sent: number): Tally {
  const lines = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  const times = (word: string, job: number) => lines.filter((line) => line === `${word} ${job}`).length;
  const jobs = Array.from({ length: sent }, (_, index) => index + 1);
  return {
    sent,
    finished: jobs.filter((job) => times("finish", job) > 0).length,
    lost: jobs.filter((job) => times("finish", job) < Math.max(1, times("start", job))),
    twice: jobs.filter((job) => times("start", job) > 1),
  };
}
