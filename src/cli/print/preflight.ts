// What an account would refuse, as a person reads it: first that, then what could not be asked.
import type { PreflightAnswer, PreflightFinding, PreflightReport } from "../../index.ts";

export function describePreflight({ environment, account, region, answers }: PreflightReport): string {
  const findings = answers.flatMap((answer) => answer.findings);
  const verdict =
    findings.length === 0
      ? `AWS would refuse nothing of what was asked. Next: landfall commission ${environment}`
      : `${findings.length} ${findings.length === 1 ? "thing" : "things"} would fail. Nothing was changed.`;
  return [`account ${account}, region ${region}`, ...answers.map(describeAnswer), verdict].join("\n\n");
}

const describeAnswer = ({ about, asked, findings, unasked }: PreflightAnswer): string =>
  [`${about}: ${asked}`, ...findings.flatMap(describeFinding), ...unasked.map((text) => `  not asked: ${text}`)].join("\n");

const describeFinding = ({ what, why, next }: PreflightFinding): string[] => [
  `  ✗ ${what}`,
  ...(why ?? "")
    .split("\n")
    .filter(Boolean)
    .map((line) => `      ${line}`),
  ...(next ? [`      Next: ${next}`] : []),
];
