// The aws target: the user's own account. What does an operation is loaded with it, so that a reading command loads no CDK.

import type { RecoveryReport } from "../../reports.ts";
import type { DeployOptions, EnvironmentTarget, OpenTarget } from "../target.ts";
import { announce, makeContext } from "./context.ts";
import type { DecommissionOptions } from "./decommission.ts";
import { leased } from "./lease.ts";
import type { Ways } from "./recovery.ts";
import { openSecrets } from "./secrets.ts";

export const openAws: OpenTarget = (input): EnvironmentTarget => {
  const context = makeContext(input);
  /** Says whose account it is, and then works under the lease. */
  const operate = async <T>(operation: string, act: () => Promise<T>, options?: object): Promise<T> => {
    await announce(context);
    return leased(context, operation, act, options);
  };
  const commission = (options?: { confirmReplace?: string[] }) =>
    operate("commission", async () => (await import("./commission.ts")).commission(context, options));
  const status = async () => (await import("./status.ts")).observeStatus(context);
  const decommission = (options: DecommissionOptions) =>
    operate("decommission", async () => (await import("./decommission.ts")).decommission(context, options), options);
  const deploy = (options: DeployOptions) => operate("deploy", async () => (await import("./releases/deploy.ts")).deploy(context, options), options);
  const recover = async (way: "resume" | "abort"): Promise<RecoveryReport> => {
    const { abort, resume } = await import("./recovery.ts");
    const ways: Ways = { commission, decommission, deploy };
    const recovered = way === "resume" ? await resume(context, ways) : await abort(context);
    return { ...recovered, status: await status() };
  };

  return {
    permissions: async () => (await import("./iam/list.ts")).listPermissions(context.app),
    exportTo: async (folder, options) => (await import("./export/leave.ts")).leave(context, folder, options),
    plan: async (options) => (await import("./plan.ts")).planAws(context, options),
    commission,
    deploy,
    rollback: (options) => operate("rollback", async () => (await import("./releases/deploy.ts")).rollback(context, options), options),
    resume: () => recover("resume"),
    abort: () => recover("abort"),
    scale: (counts) =>
      operate("scale", async () => {
        await (await import("./scale.ts")).scale(context, counts);
        return status();
      }),
    exec: async (service, argv) => (await import("./exec.ts")).exec(context, service, argv),
    status,
    hosts: async () => (await import("./status.ts")).observeHosts(context),
    async *logs(filter) {
      yield* (await import("./logs.ts")).readLogs(context, filter);
    },
    events: async (filter) => (await import("./status.ts")).observeHistory(context, filter),
    secrets: () => openSecrets(context),
    listRemoval: async (options) => (await import("./decommission.ts")).listRemoval(context, options),
    decommission,
    clean: () => operate("clean", async () => (await import("./clean.ts")).clean(context)),
  };
};
