// How the cost of a rollout grows with the fleet: processor time of the rollout itself, with its journal on a disk, over fleets that
// exist only in memory and under a clock of their own. The simulated world's own part is in the figures.
// npm run build && node bench/growth.mjs
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createJiti } from "jiti";
import { runRollout } from "../dist/rollout/run.js";
import { beginOperation } from "../dist/state/journal.js";
import { median, ms } from "./stage.mjs";

const jiti = createJiti(import.meta.url);
const { makeClock } = await jiti.import("../test/simulation/clock.ts");
const { makeRandom } = await jiti.import("../test/simulation/random.ts");
const { makeWorld, NO_FAULTS } = await jiti.import("../test/simulation/world.ts");

const SIZES = [10, 100, 1_000, 10_000];
const STRATEGIES = ["rolling", "blueGreen", "canary"];
const ROUNDS = 5;
const folder = mkdtempSync(join(tmpdir(), "landfall-bench-"));

try {
  console.log(`growth       processor time of a rollout, whole and per instance, batch 10 %, median of ${ROUNDS}`);
  console.log(`  ${"".padEnd(10)}${SIZES.map((size) => size.toLocaleString("en").padStart(22)).join("")}`);
  // Once unmeasured: the first runs pay for compiling the code.
  for (const strategy of STRATEGIES) await cost(strategy, 1_000, 0);
  for (const strategy of STRATEGIES) {
    const cells = [];
    for (const size of SIZES) {
      const runs = [];
      for (let round = 1; round <= ROUNDS; round++) runs.push(await cost(strategy, size, round));
      const time = median(runs);
      cells.push(`${ms(time)}, ${((time / size) * 1_000).toFixed(0)} µs`.padStart(22));
    }
    console.log(`  ${strategy.padEnd(10)}${cells.join("")}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Processor time in milliseconds of one rollout of a web service. */
async function cost(strategy, count, seed) {
  const clock = makeClock();
  const standing = Array.from({ length: count }, (_, index) => ({
    id: `web.${index + 1}.old`,
    service: "web",
    release: "old",
    slot: index + 1,
    attached: true,
  }));
  const world = makeWorld({ clock, random: makeRandom(seed), standing, promises: { serving: count, singletons: [] } });
  world.plague({ ...NO_FAULTS, requests: 500 });
  const services = [{ service: "web", count, singleton: false, web: true }];
  const desired = { release: "new", services, strategy, batch: "10%", canary: { weights: [0.05, 0.25], instances: Math.min(count, 3) } };
  const journal = beginOperation({ file: join(folder, "journal.jsonl"), clock, guard: () => {} }, "deploy", {});
  const judging = { step: 5_000, timeout: 60_000, minRequests: 50, undecided: "promote" };
  const from = process.cpuUsage();
  await clock.until(runRollout({ fleet: world.fleet, journal, clock, desired, before: { ...desired, release: "old" }, judging, emit: () => {} }));
  const { user, system } = process.cpuUsage(from);
  const isNew = ({ release, attached }) => release === "new" && attached;
  if (world.standing().filter(isNew).length !== count) throw new Error(`${strategy} of ${count} did not end in the new release`);
  return (user + system) / 1_000;
}
