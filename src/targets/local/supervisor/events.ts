import { messageOf } from "../../../error.ts";
import { appendLine } from "../../../system/files.ts";
import type { Hide } from "../../../text/mask.ts";
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
  | "hung"
  | "not-replaced"
  | "resumed"
  | "job-run"
  | "job-skipped"
  | "job-missed"
  | "supervisor-started"
  | "records-lost"
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
 * the supervisor with everything it looks after, so it then goes on without a note. Of what processes say of themselves secrets are hidden.
 */
export function eventWriter(file: string, hide: Hide): Tell {
  return (type, { id, service, release }, text) => {
    const event: SupervisorEvent = { at: Date.now(), type, id, service, release, text: hide(text) };
    try {
      appendLine(file, JSON.stringify(event), { flush: false });
    } catch (error) {
      console.error(`event "${type}" of "${id}" was not written: ${messageOf(error)}`);
    }
  };
}

/** Only what listens gets any. */
export const takesRequests = ({ port }: ProcessSpec): boolean => port !== undefined;

/** `share`: the fraction of its service's requests, on trial. */
export function describeAttached(spec: ProcessSpec, share: number | undefined): string {
  if (!takesRequests(spec)) return "is in service";
  return share === undefined ? "takes requests" : `takes ${+(share * 100).toFixed(2)} % of the requests`;
}
