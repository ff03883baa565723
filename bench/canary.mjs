// What a canary's verdict takes: requests and minutes, by how often the app fails anyway, for one that is as good and one that is two points
// worse, at default settings. Simulated, with seeds. npx jiti bench/canary.mjs [trials]
import { appSchema } from "../src/config/schema.ts";
import { quantileOf } from "../src/rollout/evidence.ts";
import { makeJury } from "../src/rollout/verdict.ts";
import { makeRandom } from "../test/simulation/random.ts";

const trials = Number(process.argv[2] ?? 1_000);
const { canary: settings } = appSchema.parse({ name: "bench", services: { web: { command: "true", port: 80 } } }).rollout;
const TICK_MS = 1_000;

/** Times are always the same: failures alone are simulated. */
function tryOut(seed, { canary, baseline, rate }) {
  const random = makeRandom(seed * 7919);
  const jury = makeJury(settings, ["web"]);
  const some = (failing, count) => Array.from({ length: Math.floor(count + random()) }, () => ({ ms: 20, failed: random() < failing }));
  let [requests, tookMs, verdict] = [0, 0];
  for (const [index, weight] of settings.weights.entries()) {
    jury.nextStep({ isLast: index === settings.weights.length - 1 });
    const count = (rate * weight * TICK_MS) / 1_000;
    verdict = undefined;
    for (let elapsedMs = TICK_MS; !verdict; elapsedMs += TICK_MS) {
      const web = { canary: some(canary, count), baseline: some(baseline, count) };
      requests += web.canary.length;
      tookMs += TICK_MS;
      [verdict] = jury.hear({ web }, elapsedMs);
    }
    if (verdict.decision !== "goOn") break;
  }
  return { verdict, requests, minutes: tookMs / 60_000 };
}

for (const [baseline, rates] of [
  [0, [2, 10, 100]],
  [0.01, [10, 20, 100]],
  [0.05, [20, 100]],
])
  for (const more of [0, 0.02])
    for (const rate of rates) {
      const results = Array.from({ length: trials }, (_, index) => tryOut(index + 1, { canary: baseline + more, baseline, rate }));
      const share = (of) => `${((100 * results.filter(of).length) / trials).toFixed(1)} %`;
      const at = (part, of) => quantileOf(results.map(of), part);
      console.log(
        [
          `fails ${(100 * baseline).toFixed(0)} % and ${(100 * (baseline + more)).toFixed(0)} %, ${rate} requests/s:`.padEnd(42),
          `refused ${share(({ verdict }) => verdict.decision === "worse")}`.padEnd(18),
          `promoted as good ${share(({ verdict }) => verdict.why.startsWith("it does not fail"))}`.padEnd(26),
          `requests of each ${at(0.5, ({ requests }) => requests)}, 95 % ${at(0.95, ({ requests }) => requests)}`.padEnd(38),
          `minutes ${at(0.5, ({ minutes }) => minutes).toFixed(1)}, 95 % ${at(0.95, ({ minutes }) => minutes).toFixed(1)}`,
        ].join("  "),
      );
    }
