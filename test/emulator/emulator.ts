// ministack, an emulator of AWS, with our launcher: one process on a free port. Accounts are apart from each other, and an access key of
// twelve digits is an account's number, so each test takes a new one instead of clearing what others left.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findFreePort } from "../../src/system/network.ts";
import { ensurePython } from "../python.ts";

export const PACKAGES = [
  "ministack==1.5.33",
  "botocore==1.43.106",
  "defusedxml==0.7.1",
  "graphql-core==3.2.12",
  "h11==0.16.0",
  "h2==4.4.1",
  "hpack==4.2.0",
  "Hypercorn==0.18.0",
  "hyperframe==6.1.0",
  "jmespath==1.1.0",
  "jsonata-python==0.7.1",
  "priority==2.0.0",
  "python-dateutil==2.9.0.post0",
  "PyYAML==6.0.3",
  "six==1.17.0",
  "urllib3==2.8.0",
  "wsproto==1.3.2",
];

/** See launcher.py, for "validate" validation.py and for "detect" drift_aware.py. */
export interface Rule {
  when: "create" | "update" | "delete" | "validate" | "detect";
  type?: string;
  logicalId?: string;
  stack?: string;
  delayMs?: number;
  fail?: string;
  property?: string;
  warn?: boolean;
  skip?: number;
  times?: number;
}

/** What becomes of each task of a deployment whose release has not run yet; see containers.py. Texts as AWS's pages on stopped tasks have them. */
export interface TaskFate {
  stopCode?: string;
  reason?: string;
  containerReason?: string;
  exitCode?: number;
  /** What its log has. */
  lines?: string[];
  /** An event of the service instead: no task could be placed. */
  event?: string;
  /** So many fail; those after them come up. All when left out. */
  times?: number;
  firstMs?: number;
  everyMs?: number;
}

export interface Emulator {
  port: number;
  /** Replaces the rules; each has a fresh count when its text is new. */
  setRules(rules: Rule[]): void;
  /** What apps on machines answer to health checks that are asked on them; 200 when left out. */
  setHealth(status?: string): void;
  /** How large Debian's own images are, in GiB; 8 when left out. */
  setBaseDisk(gib?: number): void;
  /** How many vCPUs an account may run at once, and whether a dry run is refused for it; as many as it likes when left out. */
  setVcpus(vcpus?: number, options?: { inDryRuns: boolean }): void;
  /** The letters of the region's zones, in AWS's order; "abc" when left out. */
  setZones(letters?: string): void;
  /** What becomes of new tasks; they come up when left out. */
  setTasks(fate?: TaskFate): void;
  /** The account that is on AWS's Free plan; none when left out. */
  setFreePlan(account?: string): void;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 60_000;

export async function startEmulator(): Promise<Emulator> {
  const python = ensurePython(PACKAGES);
  const folder = mkdtempSync(join(tmpdir(), "landfall-emulator-"));
  const rules = join(folder, "rules.json");
  const health = join(folder, "health");
  const base = join(folder, "base");
  const vcpus = join(folder, "vcpus");
  const zones = join(folder, "zones");
  const freePlan = join(folder, "free-plan");
  const tasks = join(folder, "tasks.json");
  const port = await findFreePort();
  const child = spawn(python, [fileURLToPath(new URL("launcher.py", import.meta.url))], {
    cwd: folder,
    stdio: ["pipe", "ignore", "pipe"],
    env: {
      PATH: process.env.PATH,
      TMPDIR: folder,
      BIND_HOST: "127.0.0.1",
      GATEWAY_PORT: String(port),
      LOG_LEVEL: "CRITICAL",
      LANDFALL_EMULATOR_RULES: rules,
      LANDFALL_EMULATOR_HEALTH: health,
      LANDFALL_EMULATOR_BASE_GIB: base,
      LANDFALL_EMULATOR_VCPUS: vcpus,
      LANDFALL_EMULATOR_ZONES: zones,
      LANDFALL_EMULATOR_FREE_PLAN: freePlan,
      LANDFALL_EMULATOR_TASKS: tasks,
    },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  await waitReady(port, child, () => said);
  const set = (file: string, value?: string | number) => (value === undefined ? rmSync(file, { force: true }) : writeFileSync(file, `${value}\n`));
  return {
    port,
    setRules: (list) => writeFileSync(rules, JSON.stringify(list)),
    setHealth: (status) => set(health, status),
    setBaseDisk: (gib) => set(base, gib),
    setVcpus: (most, { inDryRuns } = { inDryRuns: false }) => set(vcpus, inDryRuns ? `${most} dry` : most),
    setZones: (letters) => set(zones, letters),
    setFreePlan: (account) => set(freePlan, account),
    setTasks: (fate) => set(tasks, fate && JSON.stringify(fate)),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function waitReady(port: number, child: ChildProcess, said: () => string): Promise<void> {
  const until = Date.now() + READY_WITHIN_MS;
  while (Date.now() < until) {
    if (child.exitCode !== null) throw new Error(`the emulator ended with ${child.exitCode}: ${said()}`);
    const answer = await fetch(`http://127.0.0.1:${port}/_ministack/ready`).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    await sleep(100);
  }
  child.kill("SIGKILL");
  throw new Error(`the emulator was not ready within ${READY_WITHIN_MS / 1000} s: ${said()}`);
}

let accounts = 100_000_000_000 + (Date.now() % 1_000_000) * 1000;

/** The number of an account that nobody has used, and what makes the SDK work in it. */
export function makeAccount(port: number): { account: string; env: Record<string, string> } {
  const account = String(accounts++);
  const env = {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    AWS_ACCESS_KEY_ID: account,
    AWS_SECRET_ACCESS_KEY: "emulated",
    AWS_REGION: "eu-central-1",
  };
  return { account, env };
}
