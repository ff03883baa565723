// The interface of the keeper, for the supervisor.
import { join } from "node:path";
import type { ProcessIdentity } from "../../../system/processes.ts";
import type { Run } from "../log-writer/log-writer.ts";
import type { Paths } from "../paths.ts";
import type { Launch } from "../processes/group.ts";

/** Each call but `start` may be repeated. */
export interface KeeperApi {
  /** `ports`: of the sockets that it holds. */
  observe(input?: undefined): Promise<{ keeper: ProcessIdentity; ports: number[] }>;
  /** Takes up what the run writes until nobody holds its pipes any more. */
  follow(run: Run): Promise<void>;
  /**
   * Returns once everything that was written before the call, unended lines included, is in the log or waits for room there. Follows on:
   * something that the run left behind may still write. `lastLines` are the run's, oldest first, at most 40.
   */
  conclude(run: Run): Promise<{ lastLines: string[] }>;
  /** Takes the ports of 127.0.0.1, as `SharedSockets.hold`. `standing` is for the error. */
  hold(input: { ports: readonly number[]; standing?: string }): Promise<void>;
  /** Throws PORT_TAKEN when somebody else has one of them. */
  requireFree(input: { ports: readonly number[]; standing?: string }): Promise<void>;
  release(input: { ports: readonly number[] }): Promise<void>;
  /** Starts a program that gets the sockets of the ports in `launch.listen`, which are taken first. `pid` is its group's. */
  start(launch: Launch): Promise<{ pid: number }>;
  /** Never answers: that the connection ends says that this process has ended. */
  live(input?: undefined): Promise<never>;
  /** Takes up what is in the pipes, lets go of the sockets, and ends. The pipes keep what is written afterwards for the next keeper. */
  leave(input?: undefined): Promise<void>;
}

/** Names the one that has the lock. */
export const keeperFileOf = (paths: Paths): string => join(paths.supervisor, "keeper.json");
