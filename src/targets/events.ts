// Filters an environment's events. Pure.
import type { RecordedEvent } from "../reports.ts";

export interface EventFilter {
  since?: Date;
  /** Only the last so many. */
  tail?: number;
}

/** From events in the order of time. */
export function selectEvents(events: RecordedEvent[], { since, tail = Number.POSITIVE_INFINITY }: EventFilter): RecordedEvent[] {
  const recent = since ? events.filter(({ at }) => at >= since.getTime()) : events;
  return recent.slice(Math.max(0, recent.length - tail));
}
