// One fault at one call of one operation, and what comes of it: the operation is run again, and then all must be as if nothing had been.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AppInput } from "../../src/config/schema.ts";
import { LandfallError } from "../../src/error.ts";
import { SMALL } from "../targets/aws/stacks/apps.ts";
import { observeInventory } from "./inventory.ts";
import type { FaultProxy } from "./proxy.ts";
import { makeStage, type Stage } from "./stage.ts";

export const OPERATIONS = ["commission", "update", "decommission"] as const;
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
};
const INPUTS = { commission: SMALL, update: CHANGED, decommission: CHANGED } as const;

/** How many calls each operation makes without a fault, and what the account holds after it. */
export interface Expected {
  calls: Record<Operation, number>;
  inventory: Record<Operation, Record<string, number>>;
}

export async function observeExpected(proxy: FaultProxy): Promise<Expected> {
  const stage = makeStage(proxy.port);
  const expected: Expected = { calls: { commission: 0, update: 0, decommission: 0 }, inventory: { commission: {}, update: {}, decommission: {} } };
  for (const operation of OPERATIONS) {
    proxy.clear();
    await perform(stage, operation);
    expected.calls[operation] = proxy.calls.length;
    expected.inventory[operation] = await observeInventory(stage.context(SMALL));
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

export async function tryPoint(proxy: FaultProxy, point: Point, expected: Expected): Promise<Verdict> {
  const { operation, call: number, fault } = point;
  // In one attempt, so that the fault is not simply tried away by the SDK.
  const stage = makeStage(proxy.port, { attempts: 1 });
  proxy.clear();
  for (const before of OPERATIONS.slice(0, OPERATIONS.indexOf(operation))) await perform(stage, before);
  proxy.clear();
  const ended = fault.startsWith("killed") ? await killAt(proxy, stage, point) : await failAt(proxy, stage, point);
  const action = proxy.calls.find((one) => one.number === number)?.action ?? "none";
  proxy.clear();
  const wrong = await observeWrong(stage, operation, expected).catch((error: unknown) => [`the second run failed: ${describe(error)}`]);
  return { ...point, action, ended, wrong };
}

async function perform(stage: Stage, operation: Operation): Promise<unknown> {
  return operation === "decommission" ? stage.open(INPUTS.decommission).decommission({}) : stage.commission(INPUTS[operation]);
}

async function failAt(proxy: FaultProxy, stage: Stage, { operation, call, fault }: Point): Promise<string> {
  const answer = fault as "failed" | "throttled" | "lost";
  proxy.rule = ({ number }) => (number === call ? { answer } : undefined);
  try {
    await perform(stage, operation);
    return "done";
  } catch (error) {
    return describe(error);
  }
}

const LANDFALL = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));

async function killAt(proxy: FaultProxy, stage: Stage, { operation, call, fault }: Point): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "landfall-killed-"));
  const file = join(folder, "landfall.config.ts");
  writeFileSync(file, `export default ${JSON.stringify(INPUTS[operation])};\n`);
  const argv = operation === "decommission" ? [LANDFALL, "decommission", "production", "--yes"] : [LANDFALL, "commission", "production"];
  const env = { PATH: process.env.PATH, HOME: folder, ...stage.env };
  const child = spawn(process.execPath, argv, { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
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
  rmSync(folder, { recursive: true, force: true });
  if (signal !== "SIGKILL" && code !== 0) return `ended with ${code}: ${said}`;
  return signal === "SIGKILL" ? "killed" : "done";
}

async function observeWrong(stage: Stage, operation: Operation, { inventory }: Expected): Promise<string[]> {
  await perform(stage, operation);
  const wrong: string[] = [];
  const held = await observeInventory(stage.context(SMALL));
  for (const [kind, wanted] of Object.entries(inventory[operation])) {
    if (held[kind] !== wanted) wrong.push(`${kind}: ${held[kind]} instead of ${wanted}`);
  }
  const stacks = [...(await stage.stacks(SMALL)).values()];
  for (const { name, status } of stacks) if (!/^(CREATE|UPDATE)_COMPLETE$/.test(status)) wrong.push(`${name} is ${status}`);
  if (await changesAgain(stage, operation)) wrong.push("a third run changed something");
  return wrong;
}

async function changesAgain(stage: Stage, operation: Operation): Promise<boolean> {
  if (operation !== "decommission") return (await stage.commission(INPUTS[operation])).changed;
  return (await stage.open(INPUTS.decommission).decommission({})).removed.length > 0;
}

const describe = (error: unknown) =>
  error instanceof LandfallError ? error.code : error instanceof Error ? `${error.name}: ${error.message}` : String(error);
