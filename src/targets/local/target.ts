// The local target: each operation under the lease and, where it changes something, in the journal.
import { existsSync } from "node:fs";
import { LandfallError } from "../../error.ts";
import type { CommissionReport, DeployReport, RecordedEvent } from "../../reports.ts";
import { beginOperation, findUnfinished, type Journal, type Operation } from "../../state/journal.ts";
import { withLease } from "../../state/lease.ts";
import { loadLines } from "../../system/files.ts";
import type { DeployOptions, EnvironmentTarget, OpenTarget } from "../target.ts";
import { commission } from "./commission.ts";
import { type Context, loadRecord, makeContext, unknownService } from "./context.ts";
import { clean, decommission } from "./decommission.ts";
import { prepareRelease, rollTo } from "./deploy.ts";
import { onceSpec } from "./instances.ts";
import { readLogs } from "./logs.ts";
import { loadRelease } from "./releases.ts";
import { scale } from "./scale.ts";
import { openSecrets } from "./secrets.ts";
import { describeInventory, observeStatus } from "./status.ts";
import { connectSupervisor } from "./supervisor/start.ts";

export const openLocal: OpenTarget = (input): EnvironmentTarget => {
  const context = makeContext(input);
  const leased = <T>(operation: string, act: () => Promise<T>): Promise<T> => withLease(context.places.lease, operation, act);
  const journalled = <T>(name: Operation["name"], details: Record<string, unknown>, act: (journal: Journal) => Promise<T>): Promise<T> =>
    leased(name, () => recorded(context, name, details, act));
  const rollJournalled = (name: "deploy" | "rollback", release: string, how: { imageMade: boolean; forward: boolean }) =>
    recorded(context, name, { release }, (journal) => rollTo(context, journal, loadRelease(context.places, release), how));

  const deploy = (options: DeployOptions) =>
    leased("deploy", async () => {
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
    commission: () => journalled("commission", {}, () => commission(context)),
    deploy,
    rollback,

    async resume(): Promise<DeployReport | CommissionReport | undefined> {
      const unfinished = findUnfinished(context.places.journal)?.operation;
      if (!unfinished) return undefined;
      const { name, input: details } = unfinished;
      if (name === "commission") return journalled("commission", {}, () => commission(context));
      const release = String(details.release ?? loadRecord(context).release);
      return leased("resume", () => rollJournalled(name === "rollback" ? "rollback" : "deploy", release, { imageMade: false, forward: name === "deploy" }));
    },

    async abort(): Promise<DeployReport | undefined> {
      const unfinished = findUnfinished(context.places.journal)?.operation;
      const { release } = loadRecord(context);
      if (!unfinished || !release) return undefined;
      return leased("abort", () => rollJournalled("rollback", release, { imageMade: false, forward: false }));
    },

    async scale(counts) {
      await journalled("scale", { counts }, (journal) => scale(context, journal, counts));
      return observeStatus(context);
    },

    async exec(service, argv) {
      const record = loadRecord(context);
      if (!record.release) throw notDeployed(context.app.name);
      const release = loadRelease(context.places, record.release);
      if (!release.services[service]) throw unknownService(service, Object.keys(release.services));
      const id = `exec.${context.clock.now()}-${process.pid}`;
      const supervisor = await connectSupervisor(context.places);
      const ended = supervisor.run({ spec: onceSpec(context, record, release, id, argv, service), timeoutMs: EXEC_MS_MAX });
      const { exit } = await ended;
      for await (const { line } of readLogs(context.places, { instance: id })) context.emit({ type: "output", step: "exec", line });
      return { code: exit.code ?? 128, signal: exit.signal };
    },

    status: () => observeStatus(context),
    hosts: async () => describeInventory(await observeStatus(context)),
    logs: (filter) => {
      loadRecord(context);
      return readLogs(context.places, filter);
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
    decommission: (options) => (stands(context) ? leased("decommission", () => decommission(context, options)) : decommission(context, options)),
    clean: async () => (stands(context) ? leased("clean", async () => clean(context)) : clean(context)),
  };
};

/** The lease lies in the environment's folder, which a command that removes things must not make. */
const stands = (context: Context): boolean => existsSync(context.places.environment);

/** A command run by hand is stopped after a day at the latest. */
const EXEC_MS_MAX = 86_400_000;

async function recorded<T>(context: Context, name: Operation["name"], details: Record<string, unknown>, act: (journal: Journal) => Promise<T>): Promise<T> {
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

const notDeployed = (environment: string) =>
  new LandfallError({
    code: "RELEASE_UNKNOWN",
    what: `no release was deployed to environment "${environment}" yet`,
    standing: "Nothing was changed.",
    next: `landfall deploy ${environment}`,
  });
