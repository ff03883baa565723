// After a crash, of ours or of the machine: finishing or undoing what was interrupted, and bringing back what stood.
import { present } from "../../../error.ts";
import type { RecoveryReport } from "../../../reports.ts";
import { findUnfinished, type Journal, type Operation, type OperationInput, operationName } from "../../../state/journal.ts";
import { goneTooFar } from "../../preconditions.ts";
import type { Context } from "../context.ts";
import { operate, stands } from "../lease.ts";
import { observeStatus } from "../queries/status.ts";
import { loadRecord } from "../record.ts";
import { autoscale } from "./autoscale.ts";
import { bringBack } from "./bring-back.ts";
import { commission } from "./commission.ts";
import { contract } from "./contract.ts";
import { decommission } from "./decommission.ts";
import { deploy } from "./deploy.ts";
import { isRemovalUnfinished, removeRemains } from "./remains.ts";
import { rollback } from "./rollback.ts";
import { scale } from "./scale.ts";

interface Recovery {
  finish(context: Context, journal: Journal, input: OperationInput): Promise<unknown>;
  /** When left out, what the record says is brought back. */
  undo?(context: Context, journal: Journal, input: OperationInput): Promise<unknown>;
}

const undoAborted = (context: Context, journal: Journal, { of }: OperationInput): Promise<unknown> =>
  undo(context, journal, present(of, "operation to undo"));

/** By what a journal may begin with. The input of each is what it wrote there itself. */
const RECOVERIES = {
  commission,
  deploy,
  rollback,
  scale,
  autoscale,
  contract,
  decommission,
  resume: { finish: bringBack },
  abort: {
    finish: undoAborted,
    undo: undoAborted,
  },
} as Record<Operation["name"], Recovery>;

const undo = (context: Context, journal: Journal, { name, input }: Operation): Promise<unknown> =>
  (RECOVERIES[name].undo ?? bringBack)(context, journal, input);

export async function resume(context: Context): Promise<RecoveryReport> {
  const unfinished = findInterrupted(context);
  return tell(context, { did: "finished", unfinished, hasActed: await resumeFrom(context, unfinished) });
}

/** True when something was to be done. */
async function resumeFrom(context: Context, unfinished: Operation | undefined): Promise<boolean> {
  if (!stands(context)) {
    const isUnfinished = isRemovalUnfinished(context);
    if (isUnfinished) await removeRemains(context, { keepData: true });
    return isUnfinished;
  }
  if (!unfinished) return operate(context, { name: "resume", input: {} }, (journal) => bringBack(context, journal));
  await operate(context, unfinished, (journal) => RECOVERIES[unfinished.name].finish(context, journal, unfinished.input));
  return true;
}

export async function abort(context: Context): Promise<RecoveryReport> {
  const unfinished = findInterrupted(context);
  if (!stands(context) && isRemovalUnfinished(context))
    throw goneTooFar(context.deployment.environment, "Its processes are stopped, and its folder was being removed.");
  if (unfinished) await operate(context, { name: "abort", input: { of: unfinished } }, (journal) => undo(context, journal, unfinished));
  return tell(context, { did: "undone", unfinished, hasActed: unfinished !== undefined });
}

/** What never stood, and is not half made or half removed, is not brought back. */
function findInterrupted(context: Context): Operation | undefined {
  const operation = findUnfinished(context.paths.journal)?.operation;
  if (!operation && !isRemovalUnfinished(context)) loadRecord(context);
  return operation;
}

interface Recovered {
  did: "finished" | "undone";
  unfinished: Operation | undefined;
  hasActed: boolean;
}

async function tell(context: Context, { did, unfinished, hasActed }: Recovered): Promise<RecoveryReport> {
  const outcome = unfinished || !stands(context) ? did : "brought back";
  return {
    did: hasActed ? outcome : "nothing",
    operation: unfinished && operationName(unfinished),
    status: await observeStatus(context),
  };
}
