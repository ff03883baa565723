// The aws target, the user's own account, as a table: what each method needs, and where it is. What is not under the lease reads, or takes the
// lease itself.
import { followedBy, lazily, type OperationsTable, openTable, streamed } from "../operations-table.ts";
import type { EnvironmentTarget, OpenTarget, SecretStore } from "../target.ts";
import { announce, type Context, makeContext } from "./context.ts";
import { leased } from "./lease.ts";
import type { Ways } from "./operations/recovery.ts";
import type { ReleaseContext } from "./releases/driver.ts";

export const openAws: OpenTarget = (input): EnvironmentTarget => openTable(OPERATIONS, makeContext(input));

const loadSecrets = async () => (await import("./secrets.ts")).openSecrets;

const SECRETS: OperationsTable<Context, SecretStore> = {
  set: (context) => async (values, options) => (await loadSecrets())(context).set(values, options),
  remove: (context) => async (name) => (await loadSecrets())(context).remove(name),
  list: (context) => async () => (await loadSecrets())(context).list(),
};

const status = lazily(async () => (await import("./queries/status.ts")).observeStatus);
const commission = underLease("commission", async () => (await import("./operations/commission.ts")).commission);
const decommission = underLease("decommission", async () => (await import("./operations/decommission.ts")).decommission);
const deploy = underLease("deploy", async () => inAccount((await import("./operations/deploy.ts")).deploy));

const OPERATIONS: OperationsTable<Context, EnvironmentTarget> = {
  permissions:
    ({ deployment }) =>
    async () =>
      (await import("./iam/list.ts")).listPermissions(deployment),
  exportTo: lazily(async () => (await import("./export/export.ts")).exportEnvironment),
  preflight: lazily(async () => (await import("./preflight/preflight.ts")).preflight),
  check: lazily(async () => (await import("./operations/check.ts")).check),
  plan: lazily(async () => (await import("./queries/plan.ts")).planAws),
  status,
  hosts: lazily(async () => (await import("./queries/status.ts")).observeHosts),
  logs: streamed(async () => (await import("./queries/logs.ts")).readLogs),
  events: lazily(async () => (await import("./queries/status.ts")).observeHistory),
  listRemoval: lazily(async () => (await import("./operations/decommission.ts")).listRemoval),

  commission,
  deploy,
  rollback: underLease("rollback", async () => inAccount((await import("./operations/deploy.ts")).rollback)),
  scale: followedBy(
    underLease("scale", async () => (await import("./operations/scale.ts")).scale),
    status,
  ),
  decommission,
  clean: underLease("clean", async () => (await import("./operations/clean.ts")).clean),
  resume: (context) => async () => ({
    ...(await (await import("./operations/recovery.ts")).resume(context, waysOf(context))),
    status: await status(context)(),
  }),
  abort: (context) => async () => ({ ...(await (await import("./operations/recovery.ts")).abort(context)), status: await status(context)() }),

  exec: lazily(async () => (await import("./operations/exec.ts")).exec),
  secrets: (context) => () => openTable(SECRETS, context),
};

/** Says whose account it is, and then works under the lease, which notes the options for whoever has to finish it. */
function underLease<Options extends (object | undefined)[], Result>(
  name: string,
  load: () => Promise<(context: Context, ...options: Options) => Promise<Result>>,
) {
  return (context: Context) =>
    async (...options: Options): Promise<Result> => {
      const [act] = await Promise.all([load(), announce(context)]);
      const [noted] = options;
      return leased(context, name, (guarded) => act(guarded, ...options), noted);
    };
}

/** For what acts through a driver. */
const inAccount =
  <Options extends unknown[], Result>(act: (context: ReleaseContext, ...options: Options) => Promise<Result>) =>
  async (context: Context, ...options: Options): Promise<Result> => {
    const { openAccount } = await import("./releases/account/driver.ts");
    return act(await openAccount(context), ...options);
  };

const waysOf = (context: Context): Ways => ({ commission: commission(context), decommission: decommission(context), deploy: deploy(context) });
