// The back-off of a process that crashes: when it is started again, and when not any more.
import type { ProcessSpec } from "./api.ts";

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 10_000;
/** While the balancer is down, every client waits, and without a resource every instance. */
const LAST_PAUSES_MS: Partial<Record<ProcessSpec["kind"], number>> = { balancer: 500, resource: 1_000 };

/** A run that lasted longer than this was no failed start: the count of crashes in a row begins anew. */
export const STEADY_AFTER_MS = 30_000;

/**
 * With the pauses between them six tries last 23 s and more. What an instance needs to start (a database that is started again, a
 * certificate that is renewed) is back by then; what still fails will fail the hundredth time, and each try costs the machine a start.
 */
const CRASHES_MAX = 6;

/** The first crash may be chance, so that the first pause is short; then they grow fast, to leave the machine alone. */
export const pauseAfter = (kind: ProcessSpec["kind"], crashes: number): number =>
  Math.min(LAST_PAUSES_MS[kind] ?? LAST_PAUSE_MS, FIRST_PAUSE_MS * 5 ** Math.max(0, crashes - 1));

/** Only instances are given up: without its balancer or a resource nothing of an environment works, so these are tried for ever. */
export const isGivenUp = (kind: ProcessSpec["kind"], crashes: number): boolean => kind === "instance" && crashes >= CRASHES_MAX;

/** `exit status 7 (5 times), ended by SIGSEGV`: equal endings in a row are told once. */
export function describeEndings(endings: string[]): string {
  const groups: { text: string; count: number }[] = [];
  for (const text of endings) {
    const last = groups.at(-1);
    if (last?.text === text) last.count += 1;
    else groups.push({ text, count: 1 });
  }
  return groups.map(({ text, count }) => (count === 1 ? text : `${text} (${count} times)`)).join(", ");
}
