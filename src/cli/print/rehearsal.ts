import type { RehearsalReport } from "../../index.ts";
import { describeElapsed } from "../../text/units.ts";
import { alignRows } from "./format.ts";

/** A row for each phase; then what counts: how many requests were lost. */
export function describeRehearsal(report: RehearsalReport): string {
  const { app, environment, releases, signals, machines, phases, requests, lost, durationMs } = report;
  const times = signals.map(({ signalMs }) => signalMs).sort((a, b) => a - b);
  const rows = alignRows([
    ["", "requests", "lost", "median", "99 %", "slowest", "took"],
    ...phases.map((phase) => [
      phase.name,
      String(phase.requests),
      String(phase.lost),
      ...[phase.medianMs, phase.p99Ms, phase.slowestMs].map((ms) => `${ms} ms`),
      describeElapsed(phase.durationMs),
    ]),
  ]);
  const losses = phases.flatMap((phase) => Object.entries(phase.losses).map(([words, count]) => `  ${phase.name}: ${count} × ${words}`));
  return [
    `${app} ${environment}: ${machines} machines booted for releases ${releases.before} and ${releases.after}`,
    `  from power-on to working: ${describeElapsed(times[Math.floor(times.length / 2)] ?? 0)} (half of them), ${describeElapsed(times.at(-1) ?? 0)} (the slowest)`,
    ...rows.map((row) => `  ${row}`),
    ...losses,
    `${lost} of ${requests} requests lost, in ${describeElapsed(durationMs)}; nothing of it is left running`,
  ].join("\n");
}
