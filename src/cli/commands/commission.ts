import type { Command } from "commander";
import type { CommissionOptions } from "../../index.ts";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeCommission } from "../print/reports.ts";

type Options = CommonOptions & CommissionOptions;

export default function commission(command: Command): void {
  asActing(command, [
    "landfall commission local",
    "landfall commission staging --json",
    "landfall commission local --empty database",
    "landfall commission production --confirm-replace Database",
  ])
    .option("--confirm-replace <names...>", "AWS: what holds data and may be replaced or removed, as the refusal names it")
    .option("--empty <names...>", "on this machine: data that is gone and begins anew, as the refusal names it")
    .action(async (env: string, options: Options) => {
      const { confirmReplace, empty } = options;
      report(options, await operate(env, options, (environment) => environment.commission({ confirmReplace, empty })), describeCommission);
    });
}
