// Counts what really ran and writes it to LANDFALL_COUNTS for test.mjs. A file that could not be loaded counts as one failure,
// and so does an error outside any test: otherwise they would vanish from a count of tests.
import { writeFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";

export default class CountingReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const files = modules.map((module) => ({ file: module.relativeModuleId, ms: module.diagnostic().duration }));
    const counts = { passed: 0, failed: unhandledErrors.map((error) => failure("outside any test", error)), skipped: [], files };
    for (const module of modules) {
      const { relativeModuleId } = module;
      if (module.errors().length > 0) counts.failed.push(failure(relativeModuleId, module.errors()[0]));
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0) counts.failed.push(failure(`${relativeModuleId} > ${suite.fullName}`, suite.errors()[0]));
      for (const test of module.children.allTests()) count(counts, `${relativeModuleId} > ${test.fullName}`, test);
    }
    writeFileSync(process.env.LANDFALL_COUNTS, JSON.stringify(counts));
  }
}

function count(counts, name, test) {
  const { state, note, errors } = test.result();
  if (state === "passed") counts.passed += 1;
  else if (state === "failed") counts.failed.push(failure(name, errors[0]));
  else
    counts.skipped.push({
      test: name,
      reason: note ?? (test.options.mode === "todo" ? "to be written" : (/\(needs ([^)]*)\)/.exec(test.fullName)?.[1] ?? "no reason given")),
    });
}

const failure = (test, error) => ({ test, reason: stripVTControlCharacters(error?.message ?? "no error given").split("\n", 1)[0] });
