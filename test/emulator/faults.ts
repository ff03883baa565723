// One fault at one call of one operation, and what comes of it: the operation is run again, and then all must be as if nothing had been.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AppInput } from "../../src/config/schema.ts";
import { LandfallError } from "../../src/error.ts";
import type { DecommissionReport } from "../../src/reports.ts";
import { observeRunning } from "../../src/targets/aws/running.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import type { Emulator } from "./emulator.ts";
import { observeInventory } from "./inventory.ts";
import { playMachines } from "./machines.ts";
import type { FaultProxy } from "./proxy.ts";
import { makeStage, type Stage } from "./stage.ts";

export const OPERATIONS = ["commission", "update", "deploy", "switch", "rollback", "decommission"] as const;
type Operation = (typeof OPERATIONS)[number];

/** `failed`: AWS does nothing. `lost`: AWS does it, and its answer is lost. Killed: the process, before AWS gets the call or after it did it. */
export const FAULTS = ["failed", "throttled", "lost", "killed before", "killed after"] as const;
type FaultKind = (typeof FAULTS)[number];

export interface Point {
  operation: Operation;
  /** From 1 on. */
  call: number;
  fault: FaultKind;
}

/** Changes templates of three stacks: one parameter of a service, the retention of a bucket, an alarm. */
const CHANGED: AppInput = {
  ...SMALL,
  services: { web: { command: "node server.js", port: 3000, health: { path: "/ready" } } },
  environments: { production: { target: "aws", network: { nat: "none" }, logs: { keep: "60d" }, alarms: { serverErrors: "5%" } } },
  // With every kind of one-off task.
  release: { build: ["make"], expand: "make migrations" },
  rollout: { strategy: "blueGreen" },
};
const INPUTS: Record<Operation, AppInput> = {
  commission: SMALL,
  update: CHANGED,
  deploy: CHANGED,
  switch: CHANGED,
  rollback: CHANGED,
  decommission: CHANGED,
};
/** The command of each, but for the environment's name, and what the app's only file says then. */
const COMMANDS: Record<Operation, { words: string[]; source: string }> = {
  commission: { words: ["commission", "production"], source: "one" },
  update: { words: ["commission", "production"], source: "one" },
  deploy: { words: ["deploy", "production", "--dirty"], source: "one" },
  switch: { words: ["deploy", "production", "--dirty"], source: "two" },
  rollback: { words: ["rollback", "production"], source: "two" },
  decommission: { words: ["decommission", "production", "--yes"], source: "two" },
};

/** Where the faults are tried: machines of one-off tasks are played past the proxy, so that their calls are not counted. */
export interface Ground {
  emulator: Pick<Emulator, "port">;
  proxy: FaultProxy;
}

/** How many calls each operation makes without a fault, and what the account holds and runs after it. */
export interface Expected {
  calls: Record<Operation, number>;
  inventory: Record<Operation, Record<string, number>>;
  running: Record<Operation, string>;
  /** The one that is gone back to. */
  first: string;
}

export async function observeExpected(ground: Ground): Promise<Expected> {
  const { proxy } = ground;
  const scene = makeScene(ground);
  const byOperation = <T>(value: () => T) => Object.fromEntries(OPERATIONS.map((operation) => [operation, value()])) as Record<Operation, T>;
  const expected: Expected = { calls: byOperation(() => 0), inventory: byOperation(() => ({})), running: byOperation(() => ""), first: "" };
  try {
    for (const operation of OPERATIONS) {
      proxy.clear();
      await scene.perform(operation);
      expected.calls[operation] = proxy.calls.length;
      expected.inventory[operation] = await observeInventory(scene.stage.context(SMALL));
      expected.running[operation] = await describeRunning(scene.stage);
      if (operation === "deploy") expected.first = (await scene.stage.open(CHANGED).status()).release ?? "";
    }
  } finally {
    await scene.end();
  }
  return expected;
}

/** The call that was hit, and what was wrong afterwards: nothing, if all is well. */
export interface Verdict extends Point {
  action: string;
  /** How the operation ended that the fault was in. */
  ended: string;
  wrong: string[];
}

export async function tryPoint(ground: Ground, point: Point, expected: Expected): Promise<Verdict> {
  const { proxy } = ground;
  const { operation, call: number, fault } = point;
  // In one attempt, so that the fault is not simply tried away by the SDK.
  const scene = makeScene(ground, { attempts: 1 });
  try {
    proxy.clear();
    for (const before of OPERATIONS.slice(0, OPERATIONS.indexOf(operation))) await scene.perform(before);
    proxy.clear();
    const ended = fault.startsWith("killed") ? await killAt(proxy, scene, point) : await failAt(proxy, scene, point);
    const action = proxy.calls.find((one) => one.number === number)?.action ?? "none";
    proxy.clear();
    const wrong = await observeWrong(scene, operation, expected).catch((error: unknown) => [`the second run failed: ${describe(error)}`]);
    return { ...point, action, ended, wrong };
  } finally {
    await scene.end();
  }
}

/** An account, the app's folder, and machines that do their one-off tasks. */
interface Scene {
  stage: Stage;
  folder: string;
  perform(operation: Operation): Promise<unknown>;
  /** As the operation after one that was cut off: a rollback names where to, so that it is not one further back. */
  performAgain(operation: Operation, first: string): Promise<unknown>;
  end(): Promise<void>;
}

function makeScene({ emulator, proxy }: Ground, options: { attempts?: number } = {}): Scene {
  const stage = makeStage(proxy.port, options);
  const folder = mkdtempSync(join(tmpdir(), "landfall-faults-"));
  const machines = playMachines(stage.account, emulator.port);
  const set = (operation: Operation) => {
    writeFileSync(join(folder, "landfall.config.ts"), `export default ${JSON.stringify(INPUTS[operation])};\n`);
    writeFileSync(join(folder, "server.js"), `console.log("${COMMANDS[operation].source}");\n`);
  };
  const perform = (operation: Operation): Promise<unknown> => {
    set(operation);
    const environment = stage.open(INPUTS[operation], folder);
    if (operation === "deploy" || operation === "switch") return environment.deploy({ dirty: true });
    if (operation === "rollback") return environment.rollback({});
    return operation === "decommission" ? environment.decommission({}) : stage.commission(INPUTS[operation]);
  };
  return {
    stage,
    folder,
    perform: (operation) => perform(operation),
    performAgain: (operation, first) => (operation === "rollback" ? stage.open(CHANGED, folder).rollback({ to: first }) : perform(operation)),
    async end() {
      await machines.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function describeRunning(stage: Stage): Promise<string> {
  const running = await observeRunning(stage.context(CHANGED));
  return Object.entries(running)
    .flatMap(([service, fleets]) => Object.entries(fleets).map(([slot, { release, weight }]) => `${service}.${slot}=${release}@${weight ?? "all"}`))
    .join(" ");
}

async function failAt(proxy: FaultProxy, scene: Scene, { operation, call, fault }: Point): Promise<string> {
  const answer = fault as "failed" | "throttled" | "lost";
  proxy.rule = ({ number }) => (number === call ? { answer } : undefined);
  try {
    await scene.perform(operation);
    return "done";
  } catch (error) {
    return describe(error);
  }
}

const LANDFALL = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));

async function killAt(proxy: FaultProxy, { stage, folder }: Scene, { operation, call, fault }: Point): Promise<string> {
  const { words, source } = COMMANDS[operation];
  writeFileSync(join(folder, "landfall.config.ts"), `export default ${JSON.stringify(INPUTS[operation])};\n`);
  writeFileSync(join(folder, "server.js"), `console.log("${source}");\n`);
  const env = { PATH: process.env.PATH, HOME: folder, ...stage.env };
  const child = spawn(process.execPath, [LANDFALL, ...words], { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  const exit = once(child, "exit");
  const kill = async () => {
    child.kill("SIGKILL");
    await exit;
  };
  proxy.rule = ({ number }) => {
    if (number !== call) return undefined;
    // A process that is gone cannot take back what it sent: the call that was only on its way does not arrive.
    return fault === "killed before" ? { before: kill, answer: "failed" } : { after: kill };
  };
  const [code, signal] = await exit;
  if (signal !== "SIGKILL" && code !== 0) return `ended with ${code}: ${said}`;
  return signal === "SIGKILL" ? "killed" : "done";
}

async function observeWrong(scene: Scene, operation: Operation, { inventory, running, first }: Expected): Promise<string[]> {
  const { stage } = scene;
  await scene.performAgain(operation, first);
  const wrong: string[] = [];
  const held = await observeInventory(stage.context(SMALL));
  for (const [kind, wanted] of Object.entries(inventory[operation])) {
    if (held[kind] !== wanted) wrong.push(`${kind}: ${held[kind]} instead of ${wanted}`);
  }
  const runs = await describeRunning(stage);
  if (runs !== running[operation]) wrong.push(`"${runs}" runs instead of "${running[operation]}"`);
  const stacks = [...(await stage.stacks(SMALL)).values()];
  for (const { name, status } of stacks) if (!/^(CREATE|UPDATE)_COMPLETE$/.test(status)) wrong.push(`${name} is ${status}`);
  if (await changesAgain(scene, operation, first)) wrong.push("a third run changed something");
  return wrong;
}

async function changesAgain(scene: Scene, operation: Operation, first: string): Promise<boolean> {
  const done = await scene.performAgain(operation, first);
  return operation === "decommission" ? (done as DecommissionReport).removed.length > 0 : (done as { changed: boolean }).changed;
}

const describe = (error: unknown) =>
  error instanceof LandfallError ? error.code : error instanceof Error ? `${error.name}: ${error.message}` : String(error);
