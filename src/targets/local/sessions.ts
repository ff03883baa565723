// Commands that are run by hand. They are no processes of the supervisor's: whoever runs them waits for them. For as long as they run a note says
// which release they need, and that what bears their mark is no stray.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../error.ts";
import { loadJson, removeAll, writeJson } from "../../system/files.ts";
import { isRunning, observeStart, type ProcessIdentity } from "../../system/processes.ts";
import type { Paths } from "./paths.ts";

interface Session {
  /** Marks what it starts, as the id of a process would. */
  id: string;
  /** Whose files it uses. */
  release: string;
  /** Who waits for it. */
  by: ProcessIdentity;
}

/** `end` takes the note away. */
export function beginSession(paths: Paths, release: string): Session & { end(): void } {
  const by = { pid: process.pid, startedAt: observeStart(process.pid) ?? "" };
  const id = `exec.${process.pid}-${process.hrtime.bigint()}`;
  const session: Session = { id, release, by };
  for (const { id } of loadSessions(paths).filter(isOver)) removeAll(fileOf(paths, id));
  writeJson(fileOf(paths, id), session, { flush: false });
  return { ...session, end: () => removeAll(fileOf(paths, id)) };
}

/** Those whose command is still waited for. */
export const observeSessions = (paths: Paths): Session[] => loadSessions(paths).filter((session) => !isOver(session));

const isOver = ({ by }: Session): boolean => !isRunning(by);

const fileOf = (paths: Paths, id: string): string => join(paths.sessions, `${id}.json`);

const loadSessions = (paths: Paths): Session[] => namesIn(paths.sessions).flatMap((name) => loadJson<Session>(join(paths.sessions, name)) ?? []);

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".json"));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}
