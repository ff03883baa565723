// An environment in a temporary folder with a real supervisor, and tiny programs to look after.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { controlClient, serveControl } from "../../../../src/system/control.ts";
import { loadLines } from "../../../../src/system/files.ts";
import { isRunning } from "../../../../src/system/processes.ts";
import type { BalancerApi } from "../../../../src/targets/local/balancer/api.ts";
import { type Places, placesOf } from "../../../../src/targets/local/places.ts";
import type { ProcessRecord, ProcessSpec, SupervisorApi } from "../../../../src/targets/local/supervisor/api.ts";
import type { SupervisorEvent } from "../../../../src/targets/local/supervisor/events.ts";
import { killGroup } from "../../../../src/targets/local/supervisor/group.ts";
import { type KeptRecord, Records } from "../../../../src/targets/local/supervisor/records.ts";
import { socketPathOf } from "../../../../src/targets/local/supervisor/socket.ts";
import { ensureSupervisor } from "../../../../src/targets/local/supervisor/start.ts";
import { builtMain } from "../../../build.ts";

export interface TestEnvironment {
  places: Places;
  supervisor(): Promise<SupervisorApi>;
  /** A client that gives up when the supervisor is killed, as its own process would that was killed with it. */
  mortal(): SupervisorApi;
  /** kill -9, and waits until it is gone. */
  crashSupervisor(): Promise<void>;
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

export async function makeEnvironment(depth = ""): Promise<TestEnvironment> {
  await builtMain("targets/local/supervisor/main.js");
  const home = mkdtempSync(join(tmpdir(), "landfall-test-"));
  const places = placesOf(join(home, depth), "app", "local");
  mkdirSync(places.environment, { recursive: true });
  const supervisor = () => ensureSupervisor(places);
  const editRecords = (edit: (record: KeptRecord) => void) => {
    const records = new Records(places);
    for (const record of records.byId.values()) edit(record);
    records.close();
  };
  const crashSupervisor = async () => {
    const { supervisor: identity } = await (await supervisor()).observe();
    process.kill(identity.pid, "SIGKILL");
    await until(() => !isRunning(identity));
  };
  return {
    places,
    supervisor,
    mortal: () => controlClient<SupervisorApi>(socketPathOf(places.supervisorSocket)),
    crashSupervisor,
    editRecords,
    async reboot() {
      await crashSupervisor();
      const groups: number[] = [];
      editRecords((record) => {
        record.boot = "another";
        if (record.group) groups.push(record.group.pid);
      });
      await Promise.all(groups.map(killGroup));
    },
    events: () => loadLines<SupervisorEvent>(places.events),
    async record(id) {
      const { processes } = await (await supervisor()).observe();
      const found = processes.find(({ spec }) => spec.id === id);
      if (!found) throw new Error(`no record of ${id}`);
      return found;
    },
    event: (matches) => eventIn(places, matches),
    async remove() {
      await (await supervisor()).shutdown();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export interface TestBalancer {
  /** Everything it was told, oldest first. */
  told: Parameters<BalancerApi["configure"]>[0][];
  /** What it has now: `web.1 attached`. */
  upstreams(): string[];
  close(): void;
}

/** Answers as a balancer would that has two requests in hand for ever. Its process, for the supervisor, is one that sleeps. */
export async function startBalancer({ places, supervisor }: TestEnvironment): Promise<TestBalancer> {
  const told: TestBalancer["told"] = [];
  const server = await serveControl<BalancerApi>(places.balancerSocket, {
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
    limits: { bodyBytesMax: 1, headerTimeoutMs: 1, idleTimeoutMs: 1 },
    routes: [],
    services: { web: { health: { path: "/", from: 200, to: 299, intervalMs: 50, timeoutMs: 1000, unhealthyAfter: 3 } } },
  });
  return { told, upstreams: () => told.at(-1)?.upstreams.map(({ id, state }) => `${id} ${state}`) ?? [], close: () => server.close() };
}

async function eventIn(places: Places, matches: (event: SupervisorEvent) => boolean): Promise<SupervisorEvent> {
  const watcher = watch(places.environment);
  try {
    for (;;) {
      const found = loadLines<SupervisorEvent>(places.events).find(matches);
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

/** What a process has written, as far as the supervisor has taken it over; a line it is just writing is not one yet. */
export function linesOf(places: Places, id: string): string[] {
  return readFileSync(join(places.logs, `${id}.jsonl`), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((text) => JSON.parse(text) as { line?: string })
    .flatMap(({ line }) => line ?? []);
}
