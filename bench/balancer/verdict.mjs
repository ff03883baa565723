// What was measured, as medians; what Landfall aims at beside the others; and both as text. Pure.
import { median } from "../stage.mjs";

const AHEAD_OF = ["traefik", "caddy"];
const SHARE_OF_HAPROXY = 0.6;
const LATENCY_OVER_BEST = 1.5;

/** A balancer whose core was idle for longer was not the slowest part, and could have answered more. */
const CORE_FULL = 0.9;
/** Answers wait for a load that has no time to take them. */
const LOAD_CORE_FULL = 0.95;

const spread = (numbers) => ({ median: median(numbers), least: Math.min(...numbers), most: Math.max(...numbers) });

/** @param rounds `{ saturated: { rate, failed, coreShare, loadCoreShare }, steady: { asked, reached, p50Ms, p99Ms, late, failed, loadCoreShare } }` */
export function summarise(rounds) {
  const of = (phase, figure) => spread(rounds.map((round) => round[phase][figure]));
  const rate = of("saturated", "rate");
  const coreShare = of("saturated", "coreShare");
  const failed = rounds.reduce((sum, { saturated, steady }) => sum + saturated.failed + steady.failed, 0);
  const late = rounds.filter(({ steady }) => steady.late).length;
  // What the machine's other programs took of its core is not its fault, so this figure holds on a busy machine too.
  const perCoreSecond = spread(rounds.map(({ saturated }) => saturated.rate / saturated.coreShare));
  const summary = {
    rate,
    coreShare,
    perCoreSecond,
    asked: of("steady", "asked"),
    p50Ms: of("steady", "p50Ms"),
    p99Ms: of("steady", "p99Ms"),
    failed,
    late,
  };
  const loadIsFull = median(rounds.map(({ steady }) => steady.loadCoreShare)) > LOAD_CORE_FULL;
  return { ...summary, doubts: doubtsOf(summary, { loadIsFull, isMostlyLate: 2 * late >= rounds.length }) };
}

function doubtsOf({ coreShare, failed, late }, { loadIsFull, isMostlyLate }) {
  const broken = failed > 0 ? [`${failed} requests failed`] : [];
  const rate = coreShare.median < CORE_FULL ? [`it had ${Math.round(100 * coreShare.median)} % of its core and could do more`] : [];
  const times = [...(isMostlyLate ? [`the load was late in ${late} rounds`] : []), ...(loadIsFull ? ["the load's core was full"] : [])];
  return { rate: [...rate, ...broken], p99Ms: [...times, ...broken] };
}

/** The aims for one scheme: `summaries` by name. What was not measured soundly is in doubt, and what is missing is not judged. */
export function judge(summaries) {
  const peers = Object.keys(summaries).filter((name) => name !== "landfall");
  const [best] = peers.sort((left, right) => summaries[left].p99Ms.median - summaries[right].p99Ms.median);
  return [
    ...AHEAD_OF.map((name) => compare(summaries, { name, figure: "rate", aim: "requests/s ahead of", isMet: (ratio) => ratio > 1, bound: "> 1" })),
    compare(summaries, {
      name: "haproxy",
      figure: "rate",
      aim: "requests/s beside",
      isMet: (ratio) => ratio >= SHARE_OF_HAPROXY,
      bound: `>= ${SHARE_OF_HAPROXY}`,
    }),
    compare(summaries, {
      name: best ?? "the best",
      figure: "p99Ms",
      aim: "p99 at half of its own capacity beside the best,",
      isMet: (ratio) => ratio <= LATENCY_OVER_BEST,
      bound: `<= ${LATENCY_OVER_BEST}`,
    }),
  ];
}

function compare(summaries, { name, figure, aim, isMet, bound }) {
  const { landfall, [name]: peer } = summaries;
  if (!landfall || !peer) return { aim, against: name, bound, verdict: "not judged", why: "one of the two is missing" };
  const ratio = landfall[figure].median / peer[figure].median;
  const doubts = Object.entries({ landfall, [name]: peer }).flatMap(([of, { doubts }]) => doubts[figure].map((doubt) => `${of}: ${doubt}`));
  if (doubts.length > 0) return { aim, against: name, bound, ratio, verdict: "in doubt", why: doubts.join("; ") };
  return { aim, against: name, bound, ratio, verdict: isMet(ratio) ? "met" : "missed" };
}

const COLUMNS = [10, 24, 5, 14, 10, 8, 22];
const describeRow = (cells) => cells.map((cell, index) => (index === 0 ? cell.padEnd(COLUMNS[0]) : cell.padStart(COLUMNS[index]))).join("  ");
const whole = (number) => number.toFixed(0);
const fine = (number) => number.toFixed(2);
const withSpread = (figure, show) => `${show(figure.median)} (${show(figure.least)}-${show(figure.most)})`;

export function describeTable(scheme, summaries) {
  const head = [scheme, "requests/s (least-most)", "core", "a core-second", "half of it", "p50 ms", "p99 ms (least-most)"];
  const fastestFirst = Object.entries(summaries).sort(([, left], [, right]) => right.rate.median - left.rate.median);
  return [head, ...fastestFirst.map(cellsOf)].map(describeRow).join("\n");
}

const cellsOf = ([name, { rate, coreShare, perCoreSecond, asked, p50Ms, p99Ms }]) => [
  name,
  withSpread(rate, whole),
  `${whole(100 * coreShare.median)} %`,
  whole(perCoreSecond.median),
  whole(asked.median),
  fine(p50Ms.median),
  withSpread(p99Ms, fine),
];

export const describeAim = ({ aim, against, bound, ratio, verdict, why }) =>
  `  ${verdict.padEnd(10)}  ${aim} ${against}: ${ratio === undefined ? "-" : `${fine(ratio)} x`} (aim ${bound})${why ? `; ${why}` : ""}`;
