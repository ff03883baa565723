// The schedules of jobs. Only what comes is looked at: a time that passed while no supervisor ran is not made up for.
import { Cron } from "croner";
import type { KeptRecord } from "./records.ts";

export class Schedules {
  readonly #timers = new Map<string, Cron>();
  readonly #due: (record: KeptRecord, at: Date) => void;

  /** `due` is called at each time of each schedule, once. */
  constructor(due: (record: KeptRecord, at: Date) => void) {
    this.#due = due;
  }

  add(record: KeptRecord): void {
    const { id, schedule } = record.spec;
    this.remove(id);
    if (!schedule) return;
    const timer = new Cron(schedule.cron, { timezone: "UTC", unref: true }, (cron: Cron) => {
      const at = wholeSecond(cron.currentRun() ?? new Date());
      // The supervisor may have been restarted within the very second that was due.
      if (record.lastDueAt !== undefined && at.getTime() <= record.lastDueAt) return;
      this.#due(record, at);
    });
    this.#timers.set(id, timer);
  }

  remove(id: string): void {
    this.#timers.get(id)?.stop();
    this.#timers.delete(id);
  }

  stop(): void {
    for (const id of [...this.#timers.keys()]) this.remove(id);
  }
}

const wholeSecond = (time: Date): Date => new Date(Math.floor(time.getTime() / 1000) * 1000);

/** The id of one run: `report.20260101T120000Z`. */
export const runIdOf = (scheduleId: string, at: Date): string => `${scheduleId}.${at.toISOString().replace(/[-:]|\.\d+/g, "")}`;

/** A supervisor that was away for a year has nothing more to say of each minute of it. */
const MISSED_MAX = 1_000;

/** The times of a schedule after `since` and up to `until`, in milliseconds since 1970: the first thousand. */
export function findMissed(cron: string, { since, until }: { since: number; until: number }): Date[] {
  const times = new Cron(cron, { timezone: "UTC", paused: true });
  const missed: Date[] = [];
  for (let next = times.nextRun(new Date(since)); next && next.getTime() <= until && missed.length < MISSED_MAX; next = times.nextRun(next))
    missed.push(next);
  return missed;
}

export function describeMissed(missed: Date[]): string {
  const at = missed.at(-1)?.toISOString().replace(".000", "");
  const times =
    missed.length === 1 ? `${at} passed` : `${missed.length}${missed.length === MISSED_MAX ? " or more" : ""} times passed, one of them ${at},`;
  return `${times} while no supervisor ran: nothing was run`;
}
