// What an operation intends and has done, one JSON line each, flushed before the act. An operation without an end was interrupted.

import type { Clock } from "../system/clock.ts";
import { appendLine, loadLines, removeAll } from "../system/files.ts";

export interface Operation {
  /** Unique: the time it began and the process that ran it. */
  id: string;
  name: "commission" | "deploy" | "rollback" | "scale" | "decommission";
  /** What it needs to be taken up again. */
  input: Record<string, unknown>;
}

type Line =
  | { at: number; type: "begin"; operation: Operation }
  | { at: number; type: "intent" | "result"; operation: string; step: string }
  | { at: number; type: "end"; operation: string; outcome: "done" | "failed" };

export interface Journal {
  operation: Operation;
  /** Writes the intent, and returns what writes the result. */
  intend(step: string): () => void;
  end(outcome: "done" | "failed"): void;
}

/** Begins an operation. The journal then holds this operation alone: what came before it is in the events. */
export function beginOperation(file: string, clock: Clock, name: Operation["name"], input: Record<string, unknown>): Journal {
  const operation: Operation = { id: `${clock.now()}-${process.pid}`, name, input };
  removeAll(file);
  const write = (line: Line) => appendLine(file, JSON.stringify(line));
  write({ at: clock.now(), type: "begin", operation });
  return {
    operation,
    intend(step) {
      write({ at: clock.now(), type: "intent", operation: operation.id, step });
      return () => write({ at: clock.now(), type: "result", operation: operation.id, step });
    },
    end: (outcome) => write({ at: clock.now(), type: "end", operation: operation.id, outcome }),
  };
}

/** The operation that began and never ended, with the step it was in. */
export function findUnfinished(file: string): { operation: Operation; since: number; step?: string } | undefined {
  const lines = loadLines<Line>(file);
  const begin = lines.find((line) => line.type === "begin");
  if (!begin || lines.some((line) => line.type === "end")) return undefined;
  const steps = lines.flatMap((line) => (line.type === "intent" ? [line.step] : []));
  return { operation: begin.operation, since: begin.at, step: steps.at(-1) };
}
