// The life of an environment against the emulator: how many calls each command makes, and how long it takes, the emulator's own work apart
// from ours. Of a small app and of one with every kind of resource. npx jiti bench/aws-life.ts [--services 4]
import { parseArgs } from "node:util";
import type { AppInput } from "../src/config/schema.ts";
import { startEmulator } from "../test/emulator/emulator.ts";
import { type FaultProxy, startProxy } from "../test/emulator/proxy.ts";
import { makeStage, type Stage } from "../test/emulator/stage.ts";

const { values } = parseArgs({ options: { services: { type: "string", default: "4" } } });
const RUNS = 3;

const environments = { production: { target: "aws" as const, network: { nat: "none" as const }, notify: ["mailto:a@example.com"] } };
const APPS: Record<string, AppInput> = {
  small: { name: "small", services: { web: { command: "node server.js", port: 3000 } }, environments },
  whole: {
    name: "whole",
    resources: {
      database: { type: "postgres", deletionProtection: false, finalSnapshot: false },
      cache: { type: "cache" },
      jobs: { type: "queue" },
      uploads: { type: "bucket" },
    },
    services: Object.fromEntries(
      Array.from({ length: Number(values.services) }, (_, index) => [
        index === 0 ? "web" : `service-${index}`,
        { command: "node server.js", ...(index % 2 === 0 ? { port: 3000 } : {}), instances: { min: 2, max: 6 }, scaling: { cpu: "60%" } },
      ]),
    ),
    environments,
  },
};

interface Measured {
  calls: number;
  durationMs: number;
}

const COMMANDS: [name: string, act: (stage: Stage, app: AppInput) => Promise<unknown>][] = [
  ["plan, new", (stage, app) => stage.open(app).plan()],
  ["commission", (stage, app) => stage.open(app).commission()],
  ["commission, nothing to do", (stage, app) => stage.open(app).commission()],
  ["plan, nothing to do", (stage, app) => stage.open(app).plan()],
  ["status", (stage, app) => stage.open(app).status()],
  ["decommission", (stage, app) => stage.open(app).decommission({})],
];

/** Each time in an account that nobody used, so that nothing of an earlier run is there to be listed. */
async function live(proxy: FaultProxy, app: AppInput): Promise<Map<string, Measured>> {
  const stage = makeStage(proxy.port);
  const measured = new Map<string, Measured>();
  for (const [name, act] of COMMANDS) {
    proxy.clear();
    const from = performance.now();
    await act(stage, app);
    measured.set(name, { calls: proxy.calls.length, durationMs: performance.now() - from });
  }
  return measured;
}

const median = (numbers: number[]) => [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)] as number;

const emulator = await startEmulator();
const proxy = await startProxy(emulator.port);
try {
  for (const [name, app] of Object.entries(APPS)) {
    await live(proxy, app);
    const runs: Map<string, Measured>[] = [];
    for (let run = 0; run < RUNS; run++) runs.push(await live(proxy, app));
    console.log(`${name}: ${Object.keys(app.services).length} services, ${Object.keys(app.resources ?? {}).length} resources, median of ${RUNS}`);
    for (const [command] of COMMANDS) {
      const all = runs.map((measured) => measured.get(command) as Measured);
      const [calls, durationMs] = [median(all.map((one) => one.calls)), median(all.map((one) => one.durationMs))];
      console.log(`  ${command.padEnd(26)} ${String(calls).padStart(4)} calls ${String(Math.round(durationMs)).padStart(6)} ms`);
    }
  }
} finally {
  await proxy.stop();
  await emulator.stop();
}
