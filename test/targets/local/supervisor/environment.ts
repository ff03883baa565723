// An environment in a temporary folder with a real supervisor, and tiny programs to look after.
import { mkdirSync, mkdtempSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { controlClient, serveControl } from "../../../../src/system/control.ts";
import { loadLines } from "../../../../src/system/files.ts";
import { isRunning, type ProcessIdentity } from "../../../../src/system/processes.ts";
import { socketPathOf } from "../../../../src/system/socket-path.ts";
import type { BalancerApi } from "../../../../src/targets/local/balancer/api.ts";
import type { KeeperApi } from "../../../../src/targets/local/keeper/api.ts";
import type { LogEntry, LogMark } from "../../../../src/targets/local/log-writer/log-file.ts";
import { type Paths, pathsOf } from "../../../../src/targets/local/paths.ts";
import type { ProcessRecord, ProcessSpec, SupervisorApi } from "../../../../src/targets/local/supervisor/api.ts";
import type { SupervisorEvent } from "../../../../src/targets/local/supervisor/events.ts";
import { type KeptRecord, Records } from "../../../../src/targets/local/supervisor/records.ts";
import { ensureSupervisor } from "../../../../src/targets/local/supervisor/start.ts";
import { killGroup } from "../../../groups.ts";

export interface TestEnvironment {
  paths: Paths;
  supervisor(): Promise<SupervisorApi>;
  /** A client that gives up when the supervisor is killed, as its own process would that was killed with it. */
  mortal(): SupervisorApi;
  /** kill -9, and waits until it is gone. */
  crashSupervisor(): Promise<void>;
  /** The same for the keeper, which the supervisor starts again. */
  crashKeeper(): Promise<void>;
  /** Changes what the supervisor has kept on disk; the supervisor must be gone. */
  editRecords(edit: (record: KeptRecord) => void): void;
  /** As a power cut: the supervisor and all processes are gone at once, and pids mean nothing any more. */
  reboot(): Promise<void>;
  record(id: string): Promise<ProcessRecord>;
  events(): SupervisorEvent[];
  /** Resolves with the first event that matches. */
  event(matches: (event: SupervisorEvent) => boolean): Promise<SupervisorEvent>;
  remove(): Promise<void>;
}

export async function makeEnvironment({ depth = "", home = mkdtempSync(join(tmpdir(), "landfall-test-")) } = {}): Promise<TestEnvironment> {
  const paths = pathsOf(join(home, depth), "app", "local");
  mkdirSync(paths.environment, { recursive: true });
  const supervisor = () => ensureSupervisor(paths);
  const editRecords = (edit: (record: KeptRecord) => void) => {
    const records = new Records(paths);
    for (const record of records.byId.values()) edit(record);
    records.close();
  };
  const crashSupervisor = async () => {
    const { supervisor: identity } = await (await supervisor()).observe();
    process.kill(identity.pid, "SIGKILL");
    await until(() => !isRunning(identity));
  };
  const crashKeeper = async () => {
    const keeper = await observeKeeper(paths);
    process.kill(keeper.pid, "SIGKILL");
    await until(() => !isRunning(keeper));
  };
  return {
    paths,
    crashKeeper,
    supervisor,
    mortal: () => controlClient<SupervisorApi>(socketPathOf(paths.supervisorSocket)),
    crashSupervisor,
    editRecords,
    async reboot() {
      await crashSupervisor();
      await crashKeeper();
      const groups: number[] = [];
      editRecords((record) => {
        record.boot = "another";
        if (record.group) groups.push(record.group.pid);
      });
      await Promise.all(groups.map(killGroup));
    },
    events: () => loadLines<SupervisorEvent>(paths.events),
    async record(id) {
      const { processes } = await (await supervisor()).observe();
      const found = processes.find(({ spec }) => spec.id === id);
      if (!found) throw new Error(`no record of ${id}`);
      return found;
    },
    event: (matches) => eventIn(paths, matches),
    async remove() {
      await (await supervisor()).shutdown();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Waits for one that is just being started. */
export async function observeKeeper(paths: Paths): Promise<ProcessIdentity> {
  const client = controlClient<KeeperApi>(socketPathOf(paths.keeperSocket));
  let found: ProcessIdentity | undefined;
  await until(async () => {
    found = await client.observe().then(
      ({ keeper }) => keeper,
      () => undefined,
    );
    return found !== undefined;
  });
  return found as ProcessIdentity;
}

export interface TestBalancer {
  /** Everything it was told, oldest first. */
  told: Parameters<BalancerApi["configure"]>[0][];
  /** What it has now: `web.1 attached`. */
  upstreams(): string[];
  close(): void;
}

/** Answers as a balancer would that has two requests in hand for ever. Its process, for the supervisor, is one that sleeps. */
export async function startBalancer({ paths, supervisor }: TestEnvironment): Promise<TestBalancer> {
  const told: TestBalancer["told"] = [];
  const server = await serveControl<BalancerApi>(paths.balancerSocket, {
    configure: async (input) => void told.push(input),
    observe: async () => ({ upstreams: [], requests: 0, failures: 0 }),
    observeTraffic: async () => [],
    idle: async ({ timeoutMs }) => {
      await new Promise((resolve) => setTimeout(resolve, timeoutMs));
      return { inHand: 2 };
    },
  });
  const client = await supervisor();
  await client.start(program("balancer", "setInterval(() => {}, 1000)", { kind: "balancer", service: undefined, release: undefined }));
  await client.setEdge({
    port: 1,
    metricsPort: 2,
    limits: { bodyBytesMax: 1, headerTimeoutMs: 1, idleTimeoutMs: 1, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
    routes: [],
    handling: { r1: { web: { health: { path: "/", from: 200, to: 299, intervalMs: 50, timeoutMs: 1000, unhealthyAfter: 3 } } } },
  });
  return { told, upstreams: () => told.at(-1)?.upstreams.map(({ id, state }) => `${id} ${state}`) ?? [], close: () => server.close() };
}

async function eventIn(paths: Paths, matches: (event: SupervisorEvent) => boolean): Promise<SupervisorEvent> {
  const watcher = watch(paths.environment);
  try {
    for (;;) {
      const found = loadLines<SupervisorEvent>(paths.events).find(matches);
      if (found) return found;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        watcher.once("change", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  } finally {
    watcher.close();
  }
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** A process that runs a line of JavaScript. */
export function program(id: string, code: string, rest: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    id,
    kind: "instance",
    service: id.split(".")[0],
    release: "r1",
    argv: [process.execPath, "-e", code],
    cwd: tmpdir(),
    env: { PATH: process.env.PATH ?? "" },
    secretEnv: {},
    restart: "always",
    stop: { signal: "SIGTERM", timeoutMs: 5_000 },
    ...rest,
  };
}

/** What a process has written, as far as it has reached the log; a line that is just being written is not one yet. */
export function entriesOf(paths: Paths, id: string): LogEntry[] {
  return loadLines<LogEntry | LogMark>(join(paths.logs, `${id}.jsonl`)).flatMap((entry) => ("line" in entry ? [entry] : []));
}

export const linesOf = (paths: Paths, id: string): string[] => entriesOf(paths, id).map(({ line }) => line);
