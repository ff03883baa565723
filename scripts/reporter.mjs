// Counts what really ran and writes it to LANDFALL_COUNTS for test.mjs. A file that could not be loaded counts as one failure,
// and so does an error outside any test: otherwise they would vanish from a count of tests.
import { writeFileSync } from "node:fs";

export default class CountingReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: [] };
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length > 0 ? 1 : 0;
      for (const test of module.children.allTests()) count(counts, module, test);
    }
    writeFileSync(process.env.LANDFALL_COUNTS, JSON.stringify(counts));
  }
}

function count(counts, module, test) {
  const { state, note } = test.result();
  if (state === "passed") counts.passed += 1;
  else if (state === "failed") counts.failed += 1;
  else
    counts.skipped.push({
      test: `${module.relativeModuleId} > ${test.fullName}`,
      reason: note ?? (test.options.mode === "todo" ? "to be written" : (/\(needs ([^)]*)\)/.exec(test.fullName)?.[1] ?? "no reason given")),
    });
}
