// What is measured: processor time of a real process group, requests and messages as the balancer and the queue's server tell them.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import type { Deployment } from "../../../../src/config/deployment.ts";
import type { Scaling } from "../../../../src/config/schema.ts";
import { socketPathOf } from "../../../../src/system/socket-path.ts";
import { makeSampler } from "../../../../src/targets/local/autoscaler/sample-metrics.ts";
import type { EnvironmentRecord } from "../../../../src/targets/local/record.ts";
import type { ProcessRecord, SupervisorApi } from "../../../../src/targets/local/supervisor/api.ts";

/** Uses 300 ms of the processor in a child of its own whenever a line comes, waits for it, and says so. */
const BURNER = `
  const burn = "const used = () => process.cpuUsage().user + process.cpuUsage().system, end = used() + 300000; while (used() < end);";
  process.stdin.on("data", () => {
    require("node:child_process").execFileSync(process.execPath, ["-e", burn]);
    console.log("done");
  });`;

let now = 0;
let totals: Record<string, number> = {};
let processes: Partial<ProcessRecord>[] = [];
let queue: { waiting: number; inHand: number; deleted: number } | undefined;
let complaints: string[] = [];
const children: ChildProcessWithoutNullStreams[] = [];
const server = createServer((_request, response) => (queue ? response.end(JSON.stringify(queue)) : response.writeHead(404).end("no such queue")));
const paths = { objectSocket: join(mkdtempSync(join(tmpdir(), "landfall-sampler-")), "objects.sock") };
server.listen(socketPathOf(paths.objectSocket));
await once(server, "listening");
const address = "http://127.0.0.1:1/000000000000/app-jobs";

const supervisor = {
  observe: async () => ({ processes }),
  observeTraffic: async ({ ids }: { ids: string[] }) => ids.map((id) => ({ id, total: totals[id] ?? 0 })),
} as unknown as SupervisorApi;

let look: (count?: number) => Promise<unknown>;

beforeEach(() => {
  now = 0;
  [totals, processes, queue, complaints] = [{}, [], undefined, []];
});
afterEach(() => {
  for (const child of children.splice(0)) process.kill(-(child.pid as number), "SIGKILL");
});
afterAll(() => {
  server.close();
  rmSync(dirname(paths.objectSocket), { recursive: true, force: true });
});

/** One look a second at a service that is scaled like this. */
function lookBy(scaling: Partial<Scaling>): void {
  const deployment = { services: { web: { scaling: { cooldown: { out: 1, in: 1 }, ...scaling }, instances: { min: 1, max: 5 } }, other: {} } };
  const sampler = makeSampler({ paths, supervisor, clock: { now: () => now, sleep: async () => {} }, complain: (text) => complaints.push(text) });
  look = async (count = 1) => {
    now += 1_000;
    const record = { counts: { web: count }, resources: [{ name: "jobs", address }] } as unknown as EnvironmentRecord;
    const [only] = await sampler(deployment as unknown as Deployment, record);
    return only?.sample;
  };
}

const instance = (id: string, pid = process.pid, rest: Partial<ProcessRecord> = {}): Partial<ProcessRecord> => ({
  spec: { id, kind: "instance", service: id.split(".")[0] } as ProcessRecord["spec"],
  state: "running",
  group: { pid, startedAt: "" },
  ...rest,
});

async function makeBurner() {
  const child = spawn(process.execPath, ["-e", BURNER], { detached: true });
  children.push(child);
  return {
    pid: child.pid as number,
    async burn() {
      child.stdin.write("\n");
      await once(child.stdout, "data");
    },
  };
}

test("the processor time of whole groups, with their children, from the second look on", async () => {
  const burners = [await makeBurner(), await makeBurner()];
  await Promise.all(burners.map(({ burn }) => burn()));
  processes = [...burners.map(({ pid }, index) => instance(`web.${index}`, pid)), instance("other.1", process.pid)];
  lookBy({ cpu: 50 });
  expect(await look(2)).toBeUndefined();
  await Promise.all(burners.map(({ burn }) => burn()));
  const { cpu, ...rest } = (await look(2)) as { cpu: number };
  expect(rest).toEqual({ at: 2_000, count: 2, requests: undefined, queue: undefined });
  // Starting Node takes some as well.
  expect(cpu).toBeGreaterThan(58);
  expect(cpu).toBeLessThan(200);
  const idle = (await look(2)) as { cpu: number };
  expect(idle.cpu).toBeLessThan(30);
});

test("no processor time when an instance has just ended, or all are down", async () => {
  const { pid } = await makeBurner();
  processes = [instance("web.1", pid)];
  lookBy({ cpu: 50 });
  await look();
  processes = [instance("web.1", pid), instance("web.2", 2 ** 30)];
  expect(await look()).toMatchObject({ cpu: undefined });
  processes = [instance("web.1", pid, { state: "restarting" })];
  await look();
  expect(await look()).toMatchObject({ cpu: undefined });
});

test("requests per second of all instances, of a new one from its second look on", async () => {
  processes = [instance("web.1"), instance("web.2"), instance("web.3", process.pid, { warm: {} as ProcessRecord["warm"] })];
  totals = { "web.1": 100, "web.2": 200, "web.3": 5 };
  lookBy({ requests: 10 });
  await look();
  totals = { "web.1": 130, "web.2": 210, "web.3": 500 };
  expect(await look()).toMatchObject({ requests: 40 });
  processes.push(instance("web.4"));
  totals = { ...totals, "web.1": 131, "web.4": 1_000 };
  expect(await look()).toMatchObject({ requests: 1 });
  totals = { ...totals, "web.4": 1_007 };
  expect(await look()).toMatchObject({ requests: 7 });
  // The balancer was started again.
  totals = { "web.1": 1, "web.2": 1, "web.4": 1 };
  expect(await look()).toMatchObject({ requests: undefined });
  expect(await look()).toMatchObject({ requests: 0 });
});

test("messages, and how long one takes", async () => {
  lookBy({ queue: { resource: "jobs", latency: 1_000 } });
  queue = { waiting: 50, inHand: 2, deleted: 10 };
  await look(2);
  await look(2);
  queue = { waiting: 60, inHand: 2, deleted: 14 };
  expect(await look(2)).toMatchObject({ queue: { waiting: 60, inHand: 2, deleted: 4, processingMs: 500 } });
  queue = { waiting: 0, inHand: 0, deleted: 0 };
  expect(await look(2)).toMatchObject({ queue: undefined });
  expect(complaints).toEqual([]);
});

test("what could not be measured is missing, and told once", async () => {
  lookBy({ queue: { resource: "jobs", latency: 1_000 } });
  await look();
  expect(await look()).toMatchObject({ queue: undefined });
  expect(complaints).toHaveLength(1);
  expect(complaints[0]).toMatch(/^queue jobs: /);
});
