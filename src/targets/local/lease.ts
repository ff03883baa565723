// One operation at a time on an environment, and in the journal where it must be finished or undone after a crash. The lease and the
// journal lie in the environment's folder.
import { existsSync } from "node:fs";
import { LandfallError, messageOf, withoutSecrets } from "../../error.ts";
import { beginOperation, type Journal, type Operation } from "../../state/journal.ts";
import { type Lease, observeHolder, withLease } from "../../state/lease.ts";
import { explainUnwritable } from "../../system/files.ts";
import type { Context } from "./context.ts";
import { writeOrders } from "./orders.ts";
import { recordEvent } from "./record.ts";

/** An operation that is written down: after a crash `resume` finishes it, and `abort` undoes it. */
export interface JournaledOperation<Options extends unknown[], Input extends Record<string, unknown>, Result> {
  name: Operation["name"];
  /** Refuses what needs no lease to be refused, and gives what whoever takes the operation up again has to know. */
  begin(context: Context, ...options: Options): Input;
  perform(context: Context, journal: Journal, input: Input): Promise<Result>;
  /** Goes on from what stands. The machine may have been restarted meanwhile, so what is below comes up first. */
  finish(context: Context, journal: Journal, input: Input): Promise<unknown>;
  /** Takes it back as far as it can be. When left out, what the record says is brought back. */
  undo?(context: Context, journal: Journal, input: Input): Promise<unknown>;
}

/** The lease lies in the environment's folder, which a command that removes things must not make. */
export const stands = ({ paths }: Pick<Context, "paths">): boolean => existsSync(paths.environment);

export function leased<T>({ paths, clock, signal, emit, ...context }: Context, operation: string, act: (lease: Lease) => Promise<T>): Promise<T> {
  // Nobody is to be refused for what the autoscaler does by itself: it is short, and waited for.
  const wait = context.wait || observeHolder(paths.lease)?.operation === "autoscale";
  return explainUnwritable(paths.home, () =>
    withLease({ file: paths.lease, clock, operation, wait, signal, onWait: (text) => emit({ type: "note", text }) }, act),
  );
}

/** Under the lease and in the journal. */
export const operate = <T>(context: Context, { name, input }: Pick<Operation, "name" | "input">, act: (journal: Journal) => Promise<T>): Promise<T> =>
  leased(context, name, async (lease) => {
    const { paths, clock } = context;
    // Before the journal, so that whatever is found interrupted has them.
    writeOrders(paths.orders, context);
    const journal = beginOperation({ file: paths.journal, clock, guard: () => lease.verify() }, name, input);
    const end = (outcome: "done" | "failed") => stands(context) && journal.end(outcome);
    try {
      const result = await act(journal);
      end("done");
      return result;
    } catch (error) {
      // Between two releases is no end: it stays to be finished or undone.
      if (!(error instanceof LandfallError && (error.code === "WAY_BACK_FAILED" || error.code === "LEASE_LOST"))) end("failed");
      if (stands(context)) noteFailure(context, name, error);
      throw withoutSecrets(error, context.hide);
    }
  });

/** The autoscaler tells of its own. */
function noteFailure(context: Context, name: Operation["name"], error: unknown): void {
  if (name === "autoscale") return;
  try {
    recordEvent(context, `${name}-failed`, error instanceof LandfallError ? `${error.code}: ${error.message}` : messageOf(error));
  } catch {
    // Where events cannot be written the failure itself is what has to be told.
  }
}

export async function runJournaled<Options extends unknown[], Input extends Record<string, unknown>, Result>(
  context: Context,
  operation: JournaledOperation<Options, Input, Result>,
  ...options: Options
): Promise<Result> {
  const input = operation.begin(context, ...options);
  return operate(context, { name: operation.name, input }, (journal) => operation.perform(context, journal, input));
}
