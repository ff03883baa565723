import type { RecordedEvent } from "../../../reports.ts";
import { loadLines } from "../../../system/files.ts";
import { type EventFilter, selectEvents } from "../../events.ts";
import type { Context } from "../context.ts";
import { loadRecord } from "../record.ts";

export function queryEvents(context: Context, filter: EventFilter): RecordedEvent[] {
  loadRecord(context);
  return selectEvents(loadLines<RecordedEvent>(context.paths.events), filter);
}
