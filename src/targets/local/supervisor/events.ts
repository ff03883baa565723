import { appendLine } from "../../../system/files.ts";
import type { ProcessSpec } from "./api.ts";

export type EventType =
  | "started"
  | "crashed"
  | "gave-up"
  | "exited"
  | "restarted"
  | "stopped"
  | "killed"
  | "adopted"
  | "attached"
  | "draining"
  | "suspended"
  | "resumed"
  | "job-run"
  | "job-skipped"
  | "supervisor-started"
  | "supervisor-stopped";

/** One line of events.jsonl. */
export interface SupervisorEvent {
  at: number;
  type: EventType;
  id: string;
  service?: string;
  release?: string;
  text: string;
}

export type Tell = (type: EventType, spec: Pick<ProcessSpec, "id" | "service" | "release">, text: string) => void;

/**
 * Notes events in a file, without waiting for the disk: what was written outlives this process in any case. A full disk must not end
 * the supervisor with everything it looks after, so it then goes on without a note.
 */
export function tellTo(file: string): Tell {
  return (type, { id, service, release }, text) => {
    const event: SupervisorEvent = { at: Date.now(), type, id, service, release, text };
    try {
      appendLine(file, JSON.stringify(event), { flush: false });
    } catch (error) {
      console.error(`event "${type}" of "${id}" was not written: ${(error as Error).message}`);
    }
  };
}
