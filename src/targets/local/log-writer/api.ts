// The interface of the log writer, for the supervisor.
import { join } from "node:path";
import type { ProcessIdentity } from "../../../system/processes.ts";
import type { Paths } from "../paths.ts";
import type { LogOwner } from "./log-file.ts";

/** One start of a process, and the pipes that its output goes to. */
export interface Run extends LogOwner {
  /** Counts the starts, from 1 again once the process was forgotten. */
  run: number;
  /** When it was started, in milliseconds since 1970. */
  since: number;
  stdout: string;
  stderr: string;
}

/** Each call may be repeated. */
export interface LogWriterApi {
  observe(input?: undefined): Promise<{ writer: ProcessIdentity }>;
  /** Takes up what the run writes until nobody holds its pipes any more. */
  follow(run: Run): Promise<void>;
  /**
   * Returns once everything that was written before the call, unended lines included, is in the log or waits for room there. Follows on:
   * something that the run left behind may still write. `lastLines` are the run's, oldest first, at most 40.
   */
  conclude(run: Run): Promise<{ lastLines: string[] }>;
  /** Never answers: that the connection ends says that this process has ended. */
  live(input?: undefined): Promise<never>;
  /** Takes up what is in the pipes, and ends. They keep what is written afterwards for the next log writer. */
  leave(input?: undefined): Promise<void>;
}

/** Names the one that has the lock. */
export const writerFileOf = (paths: Paths): string => join(paths.supervisor, "log-writer.json");
