// Wrong use of the command line. Kept apart from LandfallError so that a wrong word is found before the library is loaded.

import { messageOf } from "../error.ts";
import { parseDuration } from "../text/units.ts";

/** Becomes a LandfallError with code USAGE (exit 2), or CONFIRMATION_DECLINED (exit 3), when it is reported. */
export class UsageProblem extends Error {
  readonly code: "USAGE" | "CONFIRMATION_DECLINED";
  readonly why?: string;
  readonly next?: string;

  constructor(what: string, { why, next, code = "USAGE" }: { why?: string; next?: string; code?: UsageProblem["code"] } = {}) {
    super(what);
    this.code = code;
    this.why = why;
    this.next = next;
  }
}

/** The configuration has the names, so it is read before this is reported. */
export class MissingEnvironment extends UsageProblem {
  readonly command: string;

  constructor(command: string, help: string) {
    super(`"${command}" needs the name of an environment`, { next: help });
    this.command = command;
  }
}

/** `10m` before `now`, or a date such as `2026-03-01T12:00:00Z`. */
export function parseSince(text: string | undefined, now: number): Date | undefined {
  if (text === undefined) return undefined;
  const durationMs = parseDuration(text);
  if (durationMs !== undefined) return new Date(now - durationMs);
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : undefined;
  if (date && !Number.isNaN(date.getTime())) return date;
  throw new UsageProblem(`--since "${text}" is neither a duration nor a date`, {
    next: 'give a duration with its unit ("30s", "10m", "2h", "1d") or a date ("2026-03-01T12:00:00Z")',
  });
}

export function parseGrep(text: string | undefined): RegExp | undefined {
  if (text === undefined) return undefined;
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageProblem(`--grep "${text}" is not a regular expression`, {
      why: messageOf(error),
      next: 'put a backslash before characters that are meant as they are, such as "\\(" or "\\["',
    });
  }
}

/** A whole number from `min` on, written in digits only; `name` is how the user knows it: `--tail`, `<n>`. */
export function parseWhole(text: string, name: string, min: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= min) return Number(text);
  throw new UsageProblem(`${name} is "${text}", but must be a whole number from ${min} on`);
}

/** `["web=4", "worker=2"]` → `{ web: 4, worker: 2 }` */
export function parseCounts(pairs: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const pair of pairs) {
    const [, service, count] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
    if (service === undefined || count === undefined) {
      throw new UsageProblem(`"${pair}" does not say how many instances of which service`, { next: `write it as  SERVICE=NUMBER , such as  web=4` });
    }
    if (service in counts) throw new UsageProblem(`service "${service}" is given twice`, { why: pairs.join(" ") });
    counts[service] = parseWhole(count, `the number of instances of "${service}"`, 0);
  }
  return counts;
}
