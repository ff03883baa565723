// The local target: each operation under the lease and, where it changes something, in the journal.
// What does an operation is loaded with it, so that a quick look at the status loads nothing of a deploy.
import { existsSync } from "node:fs";
import { LandfallError } from "../../error.ts";
import type { CommissionReport, DeployReport, LogFilter, LogLine, RecordedEvent } from "../../reports.ts";
import { beginOperation, findUnfinished, type Journal, type Operation } from "../../state/journal.ts";
import { withLease } from "../../state/lease.ts";
import { loadLines } from "../../system/files.ts";
import type { DeployOptions, EnvironmentTarget, OpenTarget } from "../target.ts";
import { type Context, loadRecord, makeContext, unknownService } from "./context.ts";
import { openSecrets } from "./secrets.ts";

export const openLocal: OpenTarget = (input): EnvironmentTarget => {
  const context = makeContext(input);
  const leased = <T>(operation: string, act: () => Promise<T>): Promise<T> => withLease(context.places.lease, operation, act);
  const journalled = <T>(name: Operation["name"], details: Record<string, unknown>, act: (journal: Journal) => Promise<T>): Promise<T> =>
    leased(name, () => recorded(context, name, details, act));
  const rollJournalled = (name: "deploy" | "rollback", release: string, how: { imageMade: boolean; forward: boolean }) =>
    recorded(context, name, { release }, async (journal) => {
      const [{ rollTo }, { loadRelease }] = await Promise.all([import("./deploy.ts"), import("./releases.ts")]);
      return rollTo(context, journal, loadRelease(context.places, release), how);
    });
  const commission = () => journalled("commission", {}, async () => (await import("./commission.ts")).commission(context));
  const status = async () => (await import("./status.ts")).observeStatus(context);

  const deploy = (options: DeployOptions) =>
    leased("deploy", async () => {
      const { prepareRelease } = await import("./deploy.ts");
      const { release, imageMade } = await prepareRelease(context, loadRecord(context), options);
      return rollJournalled("deploy", release.id, { imageMade, forward: true });
    });

  const rollback = ({ to }: { to?: string }) =>
    leased("rollback", async () => {
      const record = loadRecord(context);
      const release = to ?? record.previous;
      if (!release) throw nothingToRollBack(context.app.name);
      return rollJournalled("rollback", release, { imageMade: false, forward: false });
    });

  return {
    commission,
    deploy,
    rollback,

    async resume(): Promise<DeployReport | CommissionReport | undefined> {
      const unfinished = findUnfinished(context.places.journal)?.operation;
      if (!unfinished) return undefined;
      const { name, input: details } = unfinished;
      if (name === "commission") return commission();
      const release = String(details.release ?? loadRecord(context).release);
      return leased("resume", () =>
        rollJournalled(name === "rollback" ? "rollback" : "deploy", release, { imageMade: false, forward: name === "deploy" }),
      );
    },

    async abort(): Promise<DeployReport | undefined> {
      const unfinished = findUnfinished(context.places.journal)?.operation;
      const { release } = loadRecord(context);
      if (!unfinished || !release) return undefined;
      return leased("abort", () => rollJournalled("rollback", release, { imageMade: false, forward: false }));
    },

    async scale(counts) {
      await journalled("scale", { counts }, async (journal) => (await import("./scale.ts")).scale(context, journal, counts));
      return status();
    },

    exec: async (service, argv) => (await import("./exec.ts")).exec(context, service, argv),

    status,
    hosts: async () => (await import("./status.ts")).describeInventory(await status()),
    logs: (filter) => {
      refuseUnknownService(context, filter.service);
      return readLogs(context, filter);
    },
    events: async ({ since, tail }) => {
      loadRecord(context);
      const all = loadLines<RecordedEvent>(context.places.events).filter((event) => !since || event.at >= since.getTime());
      return tail === undefined ? all : all.slice(-tail);
    },
    secrets: () => {
      loadRecord(context);
      return openSecrets(context.places);
    },
    // Its journal lies in the folder that it removes: what interrupts it leaves the folder, and running it again goes on.
    async decommission(options) {
      const { decommission } = await import("./decommission.ts");
      return stands(context) ? leased("decommission", () => decommission(context, options)) : decommission(context, options);
    },
    async clean() {
      const { clean } = await import("./decommission.ts");
      return stands(context) ? leased("clean", async () => clean(context)) : clean(context);
    },
  };
};

/** The lease lies in the environment's folder, which a command that removes things must not make. */
const stands = (context: Context): boolean => existsSync(context.places.environment);

/** What runs outside every service logs as well: the release phase, and commands run by hand. */
function refuseUnknownService(context: Context, service: string | undefined): void {
  loadRecord(context);
  const known = [...Object.keys(context.app.app.services), "release"];
  if (service !== undefined && !known.includes(service)) throw unknownService(service, known);
}

async function* readLogs({ places }: Context, filter: LogFilter): AsyncGenerator<LogLine> {
  const logs = await import("./logs.ts");
  yield* logs.readLogs(places, filter);
}

async function recorded<T>(
  context: Context,
  name: Operation["name"],
  details: Record<string, unknown>,
  act: (journal: Journal) => Promise<T>,
): Promise<T> {
  const journal = beginOperation(context.places.journal, context.clock, name, details);
  try {
    const result = await act(journal);
    journal.end("done");
    return result;
  } catch (error) {
    journal.end("failed");
    throw error;
  }
}

const nothingToRollBack = (environment: string) =>
  new LandfallError({
    code: "NOTHING_TO_ROLL_BACK",
    what: `environment "${environment}" has no earlier release to go back to`,
    standing: "Nothing was changed.",
  });
