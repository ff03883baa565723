// The whole crash matrix: every operation, killed at every boundary of its journal.
// npm run build && npx jiti bench/crashes.ts [all | operation,...] [every n-th point]
import { SCENARIOS, type Scenario, Stage } from "../test/end-to-end/crashes.ts";
import { makeSandbox } from "../test/end-to-end/sandbox.ts";

const chosen = (process.argv[2] && process.argv[2] !== "all" ? process.argv[2].split(",") : SCENARIOS) as Scenario[];
const every = Number(process.argv[3] ?? 1);
const sandbox = makeSandbox();
const stage = new Stage(sandbox, "crashes");
let failed = 0;
let points = 0;
const from = performance.now();
try {
  for (const scenario of chosen) {
    const steps = await stage.count(scenario);
    const matrix = Stage.matrixOf(scenario, steps).filter((_, index) => index % every === 0);
    let bad = 0;
    for (const point of matrix) {
      const problems = await stage.strike(point).catch((error: Error) => [error.message]);
      points += 1;
      if (problems.length === 0) continue;
      bad += 1;
      console.log(`  ${JSON.stringify(point)}\n    ${problems.join("\n    ")}`);
    }
    failed += bad;
    console.log(`${scenario.padEnd(14)} ${steps} boundaries, ${matrix.length} points, ${matrix.length - bad} converged`);
  }
  console.log(`${points} points, ${failed} did not converge, ${Math.round((performance.now() - from) / 1000)} s`);
} finally {
  await sandbox.dispose();
}
process.exitCode = failed > 0 ? 1 : 0;
