// `npm test`: installs what is missing, runs the tests, and ends with one line of true counts. Further arguments go to vitest.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { install, root, run } from "./install.mjs";

/** A file that takes longer is named at the end: the whole run takes as long as its slowest ones let it. */
const SLOW_MS = 60_000;
const NAMED_MAX = 15;

install();
const folder = mkdtempSync(join(tmpdir(), "landfall-counts-"));
const file = join(folder, "counts.json");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const reporters = ["--reporter=default", `--reporter=${join(root, "scripts", "reporter.mjs")}`];
const before = processorTimes();
const status = run(process.execPath, [vitest, "run", ...reporters, ...process.argv.slice(2)], { env: { ...process.env, LANDFALL_COUNTS: file } });
const counts = loadCounts(file);
rmSync(folder, { recursive: true, force: true });

const failed = counts.failed.length;
describeTime(counts.files);
for (const { test, reason } of counts.skipped) console.log(`skipped: ${test} (${reason})`);
for (const { test, reason } of counts.failed) console.log(`failed: ${test} (${reason})`);
if (counts.passed + failed === 0) console.error("error: no test ran, so nothing was proven");
console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped.length} skipped`);
process.exitCode = counts.passed === 0 || failed > 0 ? status || 1 : status;

/** Without the file vitest itself ended early, which is a failure of its own. */
function loadCounts(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return { passed: 0, failed: status === 0 ? [] : [{ test: "all of them", reason: "vitest ended early" }], skipped: [], files: [] };
  }
}

/** Of a run of minutes, where they went: the slowest files, and whether the machine had more to give. */
function describeTime(files) {
  const slow = files.filter(({ ms }) => ms > SLOW_MS).sort((one, other) => other.ms - one.ms);
  for (const { file, ms } of slow.slice(0, NAMED_MAX)) console.log(`slow: ${file} (${Math.round(ms / 1000)} s)`);
  if (slow.length === 0) return;
  const now = processorTimes();
  console.log(`The processors were busy ${Math.round((100 * (now.busy - before.busy)) / (now.all - before.all))} % of the time.`);
}

/** Of all processors together, since the machine was started, in milliseconds; what waits for a disk counts as idle. */
function processorTimes() {
  const times = cpus().map((processor) => processor.times);
  const all = times.flatMap(Object.values).reduce((sum, ms) => sum + ms, 0);
  return { all, busy: all - times.reduce((sum, { idle }) => sum + idle, 0) };
}
