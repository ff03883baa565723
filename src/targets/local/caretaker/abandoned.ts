// An operation whose command died, by a kill or with its terminal's machine, and what becomes of it when nobody takes it up. Reads only.
import { findUnfinished, type Operation, operationName } from "../../../state/journal.ts";
import { observeLost } from "../../../state/lease.ts";
import type { Paths } from "../paths.ts";

export interface Abandoned {
  operation: Operation;
  /** What was interrupted first, however often finishing or undoing it was interrupted too. */
  name: string;
  /** When its command was alive last, in milliseconds since 1970. */
  since: number;
  does: "finish" | "undo";
}

/**
 * A release that did not come to serve is no gain to anybody who is away; what else was begun is what a person wanted. Whoever commissions,
 * decommissions or runs a contract phase may have to be asked something: that waits for them. The autoscaler finishes its own.
 */
const DOES: Partial<Record<Operation["name"], Abandoned["does"]>> = {
  deploy: "undo",
  abort: "undo",
  rollback: "finish",
  scale: "finish",
  resume: "finish",
};

/** Undefined while it is under way, and when its command came to its end and said how it left things. */
export function findAbandoned({ lease, journal }: Paths): Abandoned | undefined {
  const since = observeLost(lease);
  const operation = since === undefined ? undefined : findUnfinished(journal)?.operation;
  const does = operation && DOES[operation.name];
  return since !== undefined && operation && does ? { operation, name: operationName(operation), since, does } : undefined;
}

export const describeDone = (does: Abandoned["does"]): string => (does === "undo" ? "undone" : "finished");
