// When jobs are due. Only what comes is looked at: a time that passed while no supervisor ran is not made up for.
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
