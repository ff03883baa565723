// The whole crash matrix: every boundary of every operation's journal, killed before the act, between act and record, and after the
// record; the command, its supervisor, and both; then resumed, and in a second pass aborted.
// npm run build && npx jiti bench/crashes.ts [scenario,...]

import { type Point, type Remedy, SCENARIOS, type Scenario, Stage, type When, type Whom } from "../test/end-to-end/crashes.ts";
import { makeSandbox } from "../test/end-to-end/sandbox.ts";

const chosen = (process.argv[2]?.split(",") ?? SCENARIOS) as Scenario[];
const WHENS: When[] = ["before", "between", "after"];
const WHOMS: Whom[] = ["command", "supervisor", "both"];
const REMEDIES: Remedy[] = ["resume", "abort"];

const sandbox = makeSandbox();
const stage = new Stage(sandbox, "crashes");
let failed = 0;
let points = 0;
const from = performance.now();
try {
  for (const scenario of chosen) {
    const steps = await stage.count(scenario);
    const numbers = Array.from({ length: steps }, (_, index) => index + 1);
    const all: Point[] = numbers.flatMap((number) =>
      WHENS.flatMap((when) => WHOMS.flatMap((whom) => REMEDIES.map((remedy) => ({ scenario, when, number, whom, remedy })))),
    );
    // When only the supervisor is killed the command goes on by itself: there is nothing to be undone.
    const matrix = all.filter(({ whom, remedy }) => whom !== "supervisor" || remedy === "resume");
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
