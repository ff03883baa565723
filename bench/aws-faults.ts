// Every fault at every call of each operation on an environment on the emulator, from commission to decommission; then the operation again, and a count of
// what is wrong. In an order that a seed decides, so that a run that is ended by --minutes has tried some of everything.
// Run: npx jiti bench/aws-faults.ts [--only text] [--part 1/2] [--minutes 60] [--seed 1] [--report file]
import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startEmulator } from "../test/emulator/emulator.ts";
import { FAULTS, OPERATIONS, observeExpected, tryPoint, type Verdict } from "../test/emulator/faults.ts";
import { startProxy } from "../test/emulator/proxy.ts";
import { makeRandom } from "../test/simulation/random.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    part: { type: "string", default: "1/1" },
    minutes: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    report: { type: "string" },
  },
});

const emulator = await startEmulator();
const proxy = await startProxy(emulator.port);
const from = performance.now();
try {
  const expected = await observeExpected({ emulator, proxy });
  const points = OPERATIONS.flatMap((operation) =>
    Array.from({ length: expected.calls[operation] }, (_, index) => FAULTS.map((fault) => ({ operation, fault, call: index + 1 }))).flat(),
  );
  const random = makeRandom(Number(values.seed));
  const [part = 1, parts = 1] = values.part.split("/").map(Number);
  const chosen = points
    .filter(({ operation, fault }) => `${operation} ${fault}`.includes(values.only))
    .map((point) => ({ point, place: random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ point }) => point)
    .filter((_, index) => index % parts === part - 1);
  console.log(`calls: ${JSON.stringify(expected.calls)}; ${chosen.length} of ${points.length} points`);
  const verdicts: Verdict[] = [];
  for (const point of chosen) {
    if (performance.now() - from > Number(values.minutes) * 60_000) break;
    const verdict = await tryPoint({ emulator, proxy }, point, expected);
    verdicts.push(verdict);
    const text = `${verdict.operation} call ${verdict.call} (${verdict.action}) ${verdict.fault}: ${verdict.ended}`;
    if (verdict.wrong.length > 0) console.log(`WRONG ${text}: ${verdict.wrong.join(", ")}`);
    if (values.report) appendFileSync(values.report, `${JSON.stringify(verdict)}\n`);
  }
  for (const operation of OPERATIONS) {
    for (const fault of FAULTS) {
      const tried = verdicts.filter((one) => one.operation === operation && one.fault === fault);
      const wrong = tried.filter((one) => one.wrong.length > 0);
      if (tried.length > 0) console.log(`${operation}, ${fault}: ${tried.length - wrong.length} of ${tried.length} converged`);
    }
  }
  console.log(`${verdicts.length} points in ${Math.round((performance.now() - from) / 1000)} s`);
  if (verdicts.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1;
} finally {
  await proxy.stop();
  await emulator.stop();
}
