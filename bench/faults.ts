// The fault catalogue: deploys releases with faults and releases with mere oddities onto standing environments, in an order and with
// times that the seed decides, and counts what was noticed, what was blamed, and how long that took. All the while the release before
// is asked, and must answer. Run: npx jiti bench/faults.ts [--runs 160] [--seed 1] [--environments 4] [--only text] [--report file]
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { FAULTS, type Fault, type Knowable, ODDITIES, type Oddity, type Random, type Variant } from "../test/end-to-end/catalogue.ts";
import { codeOf, makeStage, SECRET, type Stage } from "../test/end-to-end/faulty-stage.ts";
import { makeSandbox } from "../test/end-to-end/sandbox.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "160" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    environments: { type: "string", default: "4" },
    only: { type: "string" },
    report: { type: "string" },
  },
});

interface Run {
  kind: Fault | Oddity;
  variant: Variant;
}

interface Result {
  kind: string;
  injected: boolean;
  /** The codes that are right; none for an oddity. */
  expected: string[];
  /** The code it failed with, or "none". */
  got: string;
  /** What should have been said and was not. */
  unsaid: string[];
  verdictMs?: number;
  /** Answers that a user would have noticed. */
  lost: string[];
  asked: number;
  output: string;
}

const sandbox = makeSandbox({ strayApps: true });
const seed = Number(values.seed);

/** Mulberry32. */
function seeded(from: number): Random {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Each kind equally often, in a random order. */
function drawRuns(random: Random): Run[] {
  const wanted = ({ name }: { name: string }) => !values.only || name.includes(values.only);
  const draw = <T extends Fault | Oddity>(kinds: T[]) =>
    kinds.length === 0 ? [] : Array.from({ length: Number(values.runs) }, (_, index) => kinds[index % kinds.length] as T);
  const kinds = [...draw(FAULTS.filter(wanted)), ...draw(ODDITIES.filter(wanted))];
  for (let index = kinds.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [kinds[index], kinds[other]] = [kinds[other] as Fault, kinds[index] as Fault];
  }
  return kinds.map((kind) => ({ kind, variant: kind.make(random) }));
}

/** When the fault could be known, or undefined when its moment never came. Milliseconds since 1970. */
function knowableAt(stage: Stage, knowable: Knowable, from: number, startedAt: number | undefined): number | undefined {
  if ("afterMs" in knowable) return startedAt === undefined ? undefined : startedAt + knowable.afterMs;
  const marks = stage.marks
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as { at: number; event: string });
  return marks.filter(({ at, event }) => at >= from && event === knowable.event).sort((a, b) => a.at - b.at)[0]?.at;
}

async function perform(stage: Stage, { kind, variant }: Run): Promise<Result> {
  const from = Date.now();
  let startedAt: number | undefined;
  let verdictAt: number | undefined;
  const outcome = await stage.deploy(variant, (text) => {
    if (/release phase:|start /.test(text)) startedAt = Date.now();
    if (/going back|removing what/.test(text)) verdictAt ??= Date.now();
  });
  verdictAt ??= Date.now();
  const { code, stdout, stderr, asked, lost } = outcome;
  const fault = "codes" in kind ? kind : undefined;
  const knownAt = fault && code !== 0 ? knowableAt(stage, fault.knowable, from, startedAt) : undefined;
  return {
    kind: kind.name,
    injected: fault !== undefined,
    expected: fault?.codes ?? [],
    got: codeOf(outcome),
    unsaid: [
      ...(fault && code !== 0 ? fault.evidence.filter((text) => !stderr.includes(text)) : []),
      ...((stdout + stderr).includes(SECRET) ? ["(a secret was printed)"] : []),
    ],
    ...(knownAt === undefined ? {} : { verdictMs: Math.max(0, verdictAt - knownAt) }),
    lost,
    asked,
    output: `${JSON.stringify(variant)}\n${stdout}${stderr}`,
  };
}

function report(results: Result[], tookMs: number): boolean {
  const injected = results.filter((one) => one.injected);
  const clean = results.filter((one) => !one.injected);
  const detected = injected.filter(({ got }) => got !== "none");
  const alarms = clean.filter(({ got }) => got !== "none");
  const isRight = ({ expected, got, unsaid }: Result) => expected.includes(got) && unsaid.length === 0;
  const right = injected.filter(isRight);
  const share = (part: number, whole: number) => (whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %  (${part} of ${whole})`);
  const times = injected.flatMap(({ verdictMs }) => verdictMs ?? []).sort((a, b) => a - b);
  const at = (quantile: number) => `${((times[Math.min(times.length - 1, Math.floor(times.length * quantile))] ?? 0) / 1000).toFixed(2)} s`;
  const lost = results.flatMap((one) => one.lost);

  console.log(
    `\nseed ${seed}, ${results.length} deploys in ${Math.round(tookMs / 1000)} s, ${FAULTS.length} kinds of fault, ${ODDITIES.length} of oddity`,
  );
  console.log(`detection     ${share(detected.length, injected.length)}`);
  console.log(`precision     ${share(detected.length, detected.length + alarms.length)}`);
  console.log(`right cause   ${share(right.length, injected.length)}`);
  console.log(`verdict       median ${at(0.5)}, p95 ${at(0.95)}, most ${at(1)} after it was knowable (${times.length} measured)`);
  console.log(`old release   ${results.reduce((sum, { asked }) => sum + asked, 0)} requests meanwhile, ${lost.length} lost`);
  const confused = new Map<string, number>();
  for (const { expected, got } of results) {
    const row = `${expected.join(" or ") || "none"} → ${got}`;
    confused.set(row, (confused.get(row) ?? 0) + 1);
  }
  console.log("\nexpected → blamed");
  for (const [row, count] of [...confused].sort()) console.log(`${String(count).padStart(5)}  ${row}`);
  console.log("\nslowest kinds, median after knowable");
  const medians = FAULTS.flatMap(({ name }) => {
    const some = injected.flatMap(({ kind, verdictMs }) => (kind === name ? (verdictMs ?? []) : [])).sort((a, b) => a - b);
    return some.length === 0 ? [] : [{ kind: name, ms: some[Math.floor(some.length / 2)] as number }];
  });
  for (const { kind, ms } of medians.sort((a, b) => b.ms - a.ms).slice(0, 10)) console.log(`${(ms / 1000).toFixed(2).padStart(6)} s  ${kind}`);
  for (const one of results.filter((each) => (each.injected ? !isRight(each) : each.got !== "none") || each.lost.length > 0)) {
    console.log(
      `\n${one.kind}: ${one.got} instead of ${one.expected.join(" or ") || "none"}; unsaid: ${one.unsaid.join(", ")}; lost: ${one.lost.slice(0, 3).join(" | ")}`,
    );
    console.log(one.output);
  }
  return right.length === injected.length && alarms.length === 0 && lost.length === 0;
}

try {
  const runs = drawRuns(seeded(seed));
  console.log(`seed ${seed}: ${runs.length} deploys on ${values.environments} environments`);
  const stages = await Promise.all(Array.from({ length: Number(values.environments) }, (_, index) => makeStage(sandbox, index)));
  const from = performance.now();
  const results: Result[] = [];
  await Promise.all(
    stages.map(async (stage) => {
      for (let run = runs.shift(); run; run = runs.shift()) {
        const result = await perform(stage, run);
        results.push(result);
        if (values.report) appendFileSync(values.report, `${JSON.stringify(result)}\n`);
        if (results.length % 20 === 0) console.log(`${results.length} deploys after ${Math.round((performance.now() - from) / 1000)} s`);
      }
      const { services } = await stage.status();
      if (services.some(({ wanted, healthy }) => wanted !== healthy)) throw new Error("an environment was left incomplete");
    }),
  );
  process.exitCode = report(results, performance.now() - from) ? 0 : 1;
} finally {
  await sandbox.dispose();
}
