// The release phases that today's data knows of: those that have run, unless a database has gone back to before them.
import { typeOf, variableOf } from "../../../resources/index.ts";
import type { Contracted } from "../../preconditions.ts";
import type { Context } from "../context.ts";
import { loadDataRecord, notePhase, type PhaseRun } from "../data/data-record.ts";
import { openSecrets } from "../data/secret-store.ts";
import { loadRecord } from "../record.ts";
import type { Database, Memory } from "./database-memory.ts";

/** Of what is recorded, the phases that every database still knows of. One that does not answer is believed to. */
export async function loadPhases(context: Context): Promise<PhaseRun[]> {
  const { phases } = loadDataRecord(context.paths);
  if (phases.length === 0) return [];
  const { askMemory } = await import("./database-memory.ts");
  const answers = await Promise.all(
    databasesOf(context).map(async (database) => ({ name: database.name, memory: await askMemory(database).catch(() => undefined) })),
  );
  for (const { name, memory } of answers)
    if (!memory) context.emit({ type: "warning", text: `database "${name}" does not answer; the record says which release phases ran on it` });
  return phases.filter((run) => answers.every(({ name, memory }) => !memory || knows(memory, run, run.on[name])));
}

/** A database that the phase never met, or that did not answer then, says nothing of it: the record is believed. */
function knows({ identity, phases }: Memory, { phase, release }: PhaseRun, on: PhaseRun["on"][string] | undefined): boolean {
  if (on === undefined) return true;
  if (on === "remembers") return phases.some((run) => run.phase === phase && run.release === release);
  return on.identity === identity;
}

/** The databases first: a phase that only they know of is run again, one that only the record knows of would be passed over. */
export async function keepPhase(context: Context, run: Omit<PhaseRun, "on">): Promise<void> {
  const { keepInMemory } = await import("./database-memory.ts");
  const on: PhaseRun["on"] = {};
  for (const database of databasesOf(context)) {
    const kept = await keepInMemory(database, run).catch(() => undefined);
    if (kept) on[database.name] = kept;
  }
  notePhase(context.paths, { ...run, on });
}

export const hasRun = (ran: PhaseRun[], phase: PhaseRun["phase"], release: string): boolean =>
  ran.some((run) => run.phase === phase && run.release === release);

/** The contract phase that ran last, as far as the data of today knows. */
export function contractedOf(ran: PhaseRun[]): Contracted | undefined {
  const last = ran.findLast(({ phase }) => phase === "contract");
  return last && { release: last.release, bars: last.bars ?? [] };
}

/** By the URL that the app has. */
function databasesOf(context: Context): Database[] {
  const { resources, variables } = loadRecord(context);
  const secrets = openSecrets(context.paths);
  return resources.flatMap(({ name, type }) => {
    if (!typeOf({ type }).isDatabase) return [];
    const variable = variableOf(name, "URL");
    const secret = variables.secretEnv[variable];
    const url = secret === undefined ? variables.env[variable] : secrets.reveal(secret);
    return url === undefined ? [] : [{ name, type, url }];
  });
}
