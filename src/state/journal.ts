// The journal of an operation: its intents and results, one JSON line each. An intent is flushed before the act; a result goes to the disk with the
// intent after it, since a step whose result was lost in a power cut is only done again. An operation without an end was interrupted.

import type { Clock } from "../system/clock.ts";
import { appendLine, loadLines, type WriteOptions, writeWhole } from "../system/files.ts";

export interface Operation {
  /** Unique: the time it began and the process that ran it. */
  id: string;
  name: "commission" | "deploy" | "rollback" | "scale" | "autoscale" | "contract" | "decommission" | "resume" | "abort";
  /** What it needs to be taken up again. */
  input: OperationInput;
}

export interface OperationInput extends Record<string, unknown> {
  /** Of `abort`: what it undoes. */
  of?: Operation;
}

type Line =
  | { at: number; type: "begin"; operation: Operation }
  | { at: number; type: "learn"; input: Record<string, unknown> }
  | { at: number; type: "intent" | "result"; operation: string; step: string }
  | { at: number; type: "end"; operation: string; outcome: "done" | "failed" };

export interface Journal {
  operation: Operation;
  /** Writes the intent, acts, writes the result. An act that throws has no result. */
  perform<T>(step: string, act: () => Promise<T> | T): Promise<T>;
  /** Adds what has been found out to what the operation needs to be taken up again. */
  learn(input: Record<string, unknown>): void;
  end(outcome: "done" | "failed"): void;
}

export interface JournalOptions {
  file: string;
  clock: Clock;
  /** Called before each intent: throws when the operation may not go on. */
  guard: () => void;
}

/** Begins an operation. The journal then holds this operation alone: what came before it is in the events. */
export function beginOperation({ file, clock, guard }: JournalOptions, name: Operation["name"], input: Record<string, unknown>): Journal {
  const operation: Operation = { id: `${clock.now()}-${process.pid}`, name, input };
  const write = (line: Line, options?: WriteOptions) => appendLine(file, JSON.stringify(line), options);
  // In one piece, so that the operation before, if it was interrupted, is known until this one is.
  writeWhole(file, `${JSON.stringify({ at: clock.now(), type: "begin", operation } satisfies Line)}\n`);
  return {
    operation,
    async perform(step, act) {
      guard();
      write({ at: clock.now(), type: "intent", operation: operation.id, step });
      const result = await act();
      write({ at: clock.now(), type: "result", operation: operation.id, step }, { flush: false });
      return result;
    },
    learn(learned) {
      Object.assign(operation.input, learned);
      write({ at: clock.now(), type: "learn", input: learned });
    },
    end: (outcome) => write({ at: clock.now(), type: "end", operation: operation.id, outcome }),
  };
}

/** What was interrupted first, however often finishing or undoing it was interrupted too. */
export const operationName = ({ name, input }: Operation): string => (name === "abort" && input.of ? operationName(input.of) : name);

export interface Unfinished {
  operation: Operation;
  since: number;
  /** The last one it began. */
  step?: string;
}

/** The operation that began and never ended, with the step it was in. */
export function findUnfinished(file: string): Unfinished | undefined {
  const lines = loadLines<Line>(file);
  const begin = lines.find((line) => line.type === "begin");
  if (!begin || lines.some((line) => line.type === "end")) return undefined;
  const learned = lines.flatMap((line) => (line.type === "learn" ? [line.input] : []));
  const steps = lines.flatMap((line) => (line.type === "intent" ? [line.step] : []));
  return { operation: { ...begin.operation, input: Object.assign({}, begin.operation.input, ...learned) }, since: begin.at, step: steps.at(-1) };
}
