// The local target as a table: what each method needs, and where it is. What is not `leased` or `journaled` reads, or takes the lease itself.
import { followedBy, lazily, type OperationsTable, openTable, streamed } from "../operations-table.ts";
import type { EnvironmentTarget, OpenTarget, SecretStore, TargetInput } from "../target.ts";
import { type Context, makeContext } from "./context.ts";
import { type JournaledOperation, leased, runJournaled, stands } from "./lease.ts";
import { onlyOnAws } from "./preconditions.ts";

export const openLocal: OpenTarget = (input: TargetInput): EnvironmentTarget => openTable(OPERATIONS, makeContext(input));

const status = lazily(async () => (await import("./queries/status.ts")).observeStatus);

const SECRETS: OperationsTable<Context, SecretStore> = {
  set: lazily(async () => (await import("./operations/secrets.ts")).setSecrets),
  remove: lazily(async () => (await import("./operations/secrets.ts")).removeSecret),
  list: lazily(async () => (await import("./operations/secrets.ts")).listSecrets),
};

const OPERATIONS: OperationsTable<Context, EnvironmentTarget> = {
  permissions: refused("permissions"),
  exportTo: refused("templates to export"),
  preflight: refused("account that could be asked"),

  check: lazily(async () => (await import("./operations/check.ts")).check),
  plan: lazily(async () => (await import("./queries/plan.ts")).planLocal),
  status,
  hosts: lazily(async () => (await import("./queries/hosts.ts")).observeHosts),
  logs: streamed(async () => (await import("./queries/logs.ts")).queryLogs),
  events: lazily(async () => (await import("./queries/events.ts")).queryEvents),
  listRemoval: lazily(async () => (await import("./operations/remains.ts")).listRemoval),

  commission: journaled(async () => (await import("./operations/commission.ts")).commission),
  deploy: followedBy(
    journaled(async () => (await import("./operations/deploy.ts")).deploy),
    lazily(async () => (await import("./operations/contract.ts")).contractAfterDeploy),
  ),
  rollback: journaled(async () => (await import("./operations/rollback.ts")).rollback),
  scale: followedBy(
    journaled(async () => (await import("./operations/scale.ts")).scale),
    status,
  ),
  decommission: whereItStands(
    journaled(async () => (await import("./operations/decommission.ts")).decommission),
    lazily(async () => (await import("./operations/remains.ts")).removeRemains),
  ),
  clean: whereItStands(
    underLease("clean", async () => (await import("./operations/clean.ts")).clean),
    lazily(async () => (await import("./operations/clean.ts")).clean),
  ),
  resume: lazily(async () => (await import("./operations/recovery.ts")).resume),
  abort: lazily(async () => (await import("./operations/recovery.ts")).abort),

  exec: lazily(async () => (await import("./operations/exec.ts")).exec),
  secrets: (context) => () => openTable(SECRETS, context),
};

type Made<Options extends unknown[], Result> = (context: Context) => (...options: Options) => Promise<Result>;

function refused(what: string): Made<[], never> {
  return (context) => async () => {
    throw onlyOnAws(context, what);
  };
}

/** One at a time. */
function underLease<Options extends unknown[], Result>(
  name: string,
  load: () => Promise<(context: Context, ...options: Options) => Promise<Result>>,
): Made<Options, Result> {
  return (context) =>
    async (...options) => {
      const act = await load();
      return leased(context, name, () => act(context, ...options));
    };
}

/** One at a time, and written down for `resume` and `abort`. */
function journaled<Options extends unknown[], Input extends Record<string, unknown>, Result>(
  load: () => Promise<JournaledOperation<Options, Input, Result>>,
): Made<Options, Result> {
  return (context) =>
    async (...options) =>
      runJournaled(context, await load(), ...options);
}

/** Without a lease where there is no folder for it. */
function whereItStands<Options extends unknown[], Result>(operation: Made<Options, Result>, otherwise: Made<Options, Result>): Made<Options, Result> {
  return (context) =>
    (...options) =>
      (stands(context) ? operation : otherwise)(context)(...options);
}
