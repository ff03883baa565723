// `npm test`: installs what is missing, runs the tests, and ends with one line of true counts. Further arguments go to vitest.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { install, root, run } from "./install.mjs";

install();
const folder = mkdtempSync(join(tmpdir(), "landfall-counts-"));
const file = join(folder, "counts.json");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const reporters = ["--reporter=default", `--reporter=${join(root, "scripts", "reporter.mjs")}`];
const status = run(process.execPath, [vitest, "run", ...reporters, ...process.argv.slice(2)], { env: { ...process.env, LANDFALL_COUNTS: file } });
const counts = loadCounts(file);
rmSync(folder, { recursive: true, force: true });

const failed = counts.failed.length;
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
    return { passed: 0, failed: status === 0 ? [] : [{ test: "all of them", reason: "vitest ended early" }], skipped: [] };
  }
}
