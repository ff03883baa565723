// The local target: each operation under the lease and, where it changes something, in the journal.
// What does an operation is loaded with it, so that a quick look at the status loads nothing of a deploy.
import { existsSync } from "node:fs";
import { LandfallError } from "../../error.ts";
import type { DeployReport, LogFilter, LogLine, RecordedEvent, RecoveryReport } from "../../reports.ts";
import { beginOperation, findUnfinished, type Journal, type Operation, operationName } from "../../state/journal.ts";
import { type Lease, observeHolder, withLease } from "../../state/lease.ts";
import { explainUnwritable, loadLines } from "../../system/files.ts";
import { unknownService } from "../refusals.ts";
import type { DeployOptions, EnvironmentTarget, OpenTarget } from "../target.ts";
import { type Context, loadRecord, makeContext } from "./context.ts";
import { openSecrets } from "./secrets.ts";

export const openLocal: OpenTarget = (input): EnvironmentTarget => {
  const context = makeContext(input);
  const { places } = context;
  const status = async () => (await import("./status.ts")).observeStatus(context);

  const decommission = async (options: { keepData?: boolean }) => {
    const { decommission, decommissionRest } = await import("./decommission.ts");
    if (!stands(context)) return decommissionRest(context, options);
    return operate(context, "decommission", options, (journal) => decommission(context, journal, options));
  };

  const deploy = async (options: DeployOptions): Promise<DeployReport> => {
    loadRecord(context);
    const report = await operate(context, "deploy", { ...options }, async (journal) => {
      const [{ prepareRelease }, { rollTo }] = await Promise.all([import("./deploy.ts"), import("./rollout.ts")]);
      const { release, imageMade } = await prepareRelease(context, journal, options);
      return rollTo(context, journal, release, { imageMade, forward: true, veto: vetoOf(options) });
    });
    return options.contract || context.app.app.release.autoContract ? { ...report, ...(await contractOnceFinal(report.release)) } : report;
  };

  /** Outside the lease while it waits: during the soak it must be possible to roll back. */
  const contractOnceFinal = async (release: string): Promise<Pick<DeployReport, "contracted">> => {
    const { waitFinal, contractServing } = await import("./contract.ts");
    await waitFinal(context, release);
    // Whoever rolls back at this moment comes first; then there is nothing to be contracted any more.
    return operate({ ...context, wait: true }, "contract", { release }, (journal) => contractServing(context, journal, release));
  };

  const recover = async (did: "finished" | "undone", act: (unfinished: Operation | undefined) => Promise<boolean>): Promise<RecoveryReport> => {
    const operation = findUnfinished(places.journal)?.operation;
    const acted = await act(operation);
    const name = operation && operationName(operation);
    return { did: acted ? (operation || !stands(context) ? did : "brought back") : "nothing", operation: name, status: await status() };
  };

  return {
    permissions: async () => {
      throw onlyOnAws(context.app.name, "permissions");
    },
    exportTo: async () => {
      throw onlyOnAws(context.app.name, "templates to export");
    },
    plan: async (options) => {
      if (options?.drift) throw onlyOnAws(context.app.name, "drift that an account could look for");
      return (await import("./plan.ts")).planLocal(context, options);
    },
    commission: () => operate(context, "commission", {}, async (journal) => (await import("./commission.ts")).commission(context, journal)),
    deploy,

    async rollback({ to, force }) {
      const release = to ?? loadRecord(context).previous;
      if (!release) throw nothingToRollBack(context.app.name);
      return operate(context, "rollback", { release, force }, async (journal) => {
        const [{ rollTo }, { loadRelease }] = await Promise.all([import("./rollout.ts"), import("./releases.ts")]);
        return rollTo(context, journal, loadRelease(places, release), { forward: false, veto: vetoOf({ force }) });
      });
    },

    resume: () =>
      recover("finished", async (unfinished) => {
        if (!stands(context)) {
          const isLeft = existsSync(places.removing);
          if (isLeft) await decommission({ keepData: true });
          return isLeft;
        }
        const { bringBack, finish } = await import("./recovery.ts");
        if (!unfinished) return operate(context, "resume", {}, (journal) => bringBack(context, journal));
        await operate(context, unfinished.name, unfinished.input, (journal) => finish(context, journal, unfinished));
        return true;
      }),

    abort: () =>
      recover("undone", async (unfinished) => {
        if (!stands(context) && existsSync(places.removing)) throw goneTooFar(context.app.name);
        if (!unfinished) return false;
        const { undo } = await import("./recovery.ts");
        await operate(context, "abort", { of: unfinished }, (journal) => undo(context, journal, unfinished));
        return true;
      }),

    async scale(counts, { force } = {}) {
      await operate(context, "scale", { counts, force }, async (journal) =>
        (await import("./scale.ts")).scale(context, journal, { counts, veto: vetoOf({ force }) }),
      );
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
      const { set, remove, list } = openSecrets(context.places);
      return { set: async (name, value) => set(name, value), remove: async (name) => remove(name), list: async () => list() };
    },
    listRemoval: async (options) => (await import("./decommission.ts")).listRemoval(context, options),
    decommission,
    async clean() {
      const { clean } = await import("./decommission.ts");
      return stands(context) ? leased(context, "clean", async () => clean(context)) : clean(context);
    },
  };
};

const vetoOf = ({ force = false }: { force?: boolean }) => (force ? ("ignore" as const) : ("obey" as const));

function leased<T>({ places, clock, signal, emit, ...context }: Context, operation: string, act: (lease: Lease) => Promise<T>): Promise<T> {
  // Nobody is to be refused for what the autoscaler does by itself: it is short, and waited for.
  const wait = context.wait || observeHolder(places.lease)?.operation === "autoscale";
  return explainUnwritable(places.home, () =>
    withLease({ file: places.lease, clock, operation, wait, signal, onWait: (text) => emit({ type: "note", text }) }, act),
  );
}

/** Under the lease and in the journal. */
export const operate = <T>(
  context: Context,
  name: Operation["name"],
  input: Record<string, unknown>,
  act: (journal: Journal) => Promise<T>,
): Promise<T> =>
  leased(context, name, async (lease) => {
    const { places, clock } = context;
    const journal = beginOperation({ file: places.journal, clock, guard: () => lease.verify() }, name, input);
    const end = (outcome: "done" | "failed") => stands(context) && journal.end(outcome);
    try {
      const result = await act(journal);
      end("done");
      return result;
    } catch (error) {
      // Between two releases is no end: it stays to be finished or undone.
      if (!(error instanceof LandfallError && (error.code === "WAY_BACK_FAILED" || error.code === "LEASE_LOST"))) end("failed");
      throw error;
    }
  });

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

const goneTooFar = (environment: string) =>
  new LandfallError({
    code: "ABORT_IMPOSSIBLE",
    what: `the decommission of environment "${environment}" has gone too far to be undone`,
    standing: "Its processes are stopped, and its folder was being removed.",
    next: `landfall resume ${environment}`,
  });

const nothingToRollBack = (environment: string) =>
  new LandfallError({
    code: "NOTHING_TO_ROLL_BACK",
    what: `environment "${environment}" has no earlier release to go back to`,
    standing: "Nothing was changed.",
  });

const onlyOnAws = (environment: string, what: string) =>
  new LandfallError({
    code: "ONLY_ON_AWS",
    what: `environment "${environment}" is on this machine, and has no ${what}`,
    standing: "Nothing was changed.",
    next: 'name an environment whose target is "aws"',
  });
