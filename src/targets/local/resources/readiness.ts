// Waiting until something on the network answers, and saying in plain words why it does not.

import { connect } from "node:net";
import { join } from "node:path";
import { errnoOf } from "../../../error.ts";
import { systemClock } from "../../../system/clock.ts";
import { loadLines } from "../../../system/files.ts";
import { describeDuration } from "../../../text/units.ts";
import { joinLines } from "../log-writer/line-joiner.ts";
import type { LogEntry, LogMark } from "../log-writer/log-file.ts";
import type { PreparedResource } from "./resource.ts";
import { resourceFailed } from "./resource.ts";

/** Longer than Postgres needs to replay its log after a crash with default settings on a slow disk. */
const STARTING_MS = 60_000;
const BETWEEN_TRIES_MS = 100;
const CONNECT_TIMEOUT_MS = 5_000;
const LAST_LINES = 10;

export interface Asking {
  resource: Pick<PreparedResource, "name" | "type" | "address">;
  /** Resolves when it answers as it should. */
  ask: () => Promise<void>;
  /** Whether this failure may pass by itself while it starts. */
  passing: (error: NodeJS.ErrnoException) => boolean;
  /** The folder where the supervisor keeps the output, and the process's id, for its last words. */
  logs?: { folder: string; id: string };
}

/** Asks until it answers. Rejects with RESOURCE_FAILED at once when waiting cannot help, else after a minute. */
export async function waitForAnswer(asking: Asking): Promise<void> {
  const deadline = systemClock.now() + STARTING_MS;
  for (;;) {
    try {
      return await asking.ask();
    } catch (error) {
      if (asking.passing(errnoOf(error)) && systemClock.now() < deadline) await systemClock.sleep(BETWEEN_TRIES_MS);
      else throw notAnswering(asking, errnoOf(error));
    }
  }
}

/** Asks once: for a resource that Landfall does not start, being down is a fact and not a phase. */
export async function requireAnswer(asking: Omit<Asking, "passing">): Promise<void> {
  await waitForAnswer({ ...asking, passing: () => false });
}

/** A TCP connection, opened and closed. */
export function touch(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: CONNECT_TIMEOUT_MS });
    socket.once("connect", () => socket.end(resolve));
    socket.once("timeout", () =>
      socket.destroy(Object.assign(new Error(`no answer within ${describeDuration(CONNECT_TIMEOUT_MS)}`), { code: "ETIMEDOUT" })),
    );
    socket.once("error", reject);
  });
}

function notAnswering({ resource, logs }: Asking, error: NodeJS.ErrnoException) {
  const words = logs ? lastWords(join(logs.folder, `${logs.id}.jsonl`)) : [];
  return resourceFailed({
    what: `the ${resource.type} "${resource.name}" ${failureIn(error)}`,
    where: resource.address,
    why: firstError(error).message || String(error.code),
    evidence: words.map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
    cause: error,
  });
}

/** A host name with several addresses fails with all their errors at once; the first one says enough. */
function firstError(error: NodeJS.ErrnoException): NodeJS.ErrnoException {
  const [first]: unknown[] = error instanceof AggregateError ? error.errors : [];
  return first === undefined ? error : errnoOf(first);
}

function failureIn(error: NodeJS.ErrnoException): string {
  switch (firstError(error).code) {
    case "ECONNREFUSED":
      return "refused the connection";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "has a host name that was not found";
    case "ETIMEDOUT":
      return "did not answer in time";
    case "28P01":
    case "28000":
    case "WRONGPASS":
    case "NOAUTH":
    case "ER_ACCESS_DENIED_ERROR":
      return "did not accept the user and password";
    case "3D000":
    case "ER_BAD_DB_ERROR":
      return "has no such database";
    default:
      return "did not answer as it should";
  }
}

/** The log also has lines that mark a start; they have no output. */
const lastWords = (file: string): string[] =>
  joinLines(loadLines<LogEntry | LogMark>(file).flatMap((entry) => ("line" in entry ? [entry] : [])))
    .map(({ line }) => line)
    .slice(-LAST_LINES);
