// The logs that were asked for, by the names that a person knows services and releases by.
import type { LogFilter, LogLine } from "../../../reports.ts";
import { assertKnown } from "../../preconditions.ts";
import type { Context } from "../context.ts";
import { hasLogsOf, readLogs } from "../log-writer/read-logs.ts";
import { loadRecord } from "../record.ts";
import { findRelease, loadRelease } from "../releases/release-store.ts";

export async function* queryLogs(context: Context, filter: LogFilter): AsyncGenerator<LogLine> {
  const { release: serving } = loadRecord(context);
  if (filter.service !== undefined) assertKnown(filter.service, servicesOf(context, serving));
  yield* readLogs(context.paths, { ...filter, release: filter.release && processesOf(context, filter.release) });
}

/** Those of the file and of the release that serves. The release phase, which runs outside every service, logs as well. */
function servicesOf({ deployment, paths }: Context, serving: string | undefined): string[] {
  const live = serving === undefined ? undefined : findRelease(paths, serving)?.services;
  return [...Object.keys({ ...deployment.services, ...live }), "release"];
}

/** Its instances are called after the release whose processes it has. Of one that is gone there may still be logs. Errors: RELEASE_UNKNOWN. */
function processesOf({ paths }: Context, release: string): string {
  return findRelease(paths, release)?.processes ?? (hasLogsOf(paths, release) ? release : loadRelease(paths, release).processes);
}
