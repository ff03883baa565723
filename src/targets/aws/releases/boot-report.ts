// What a machine that could not start ships before it says so, in words.
import type { ErrorParts } from "../../../error.ts";
import type { BootReport as WholeReport } from "../../../machine/index.ts";

const LINES_SHOWN = 8;

/** Of a machine with an older image parts may be missing. */
export type BootReport = Partial<WholeReport> & Pick<WholeReport, "tail">;

/** What happened to `instances`, by the report of the first of them. */
export function wordsOf({ step, answered = [] }: BootReport, instances: string): Pick<ErrorParts, "code" | "what"> {
  if (step === "health" || step === "balancer") return { code: "HEALTH_NEVER_PASSED", what: `${instances} did not become healthy` };
  if (step === "steady") return { code: answered.length > 0 ? "HEALTH_LOST" : "INSTANCE_CRASHED", what: `${instances} did not stay healthy` };
  return { code: "INSTANCE_CRASHED", what: `${instances} did not become healthy` };
}

/** As evidence. */
export function describeReport(machine: string, report: BootReport | undefined): [string, string][] {
  if (!report) return [["machine", `${machine} left no report`]];
  const { step, why, asked, answered = [], tail } = report;
  return [
    ["machine", `${machine}${step === undefined ? "" : ` failed at: ${step}`}`],
    ...(why ? [["reason", why] as [string, string]] : []),
    ...(asked ? [["asked", asked] as [string, string]] : []),
    ...answered.map((answer): [string, string] => ["answered", answer]),
    ...tail.slice(-LINES_SHOWN).map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
  ];
}
