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
    "landfall commission production --revert-drift",
  ])
    .option("--confirm-replace <names...>", "AWS: what holds data and may be replaced or removed, as the refusal names it")
    .option("--revert-drift", "on aws: first look for what was changed by hand, which takes minutes, and put it back")
    .option("--empty <names...>", "on this machine: data that is gone and begins anew, as the refusal names it")
    .action(async (env: string, options: Options) => {
      const { confirmReplace, empty, revertDrift } = options;
      const done = await operate(env, options, (environment) => environment.commission({ confirmReplace, empty, revertDrift }));
      report(options, done, describeCommission);
    });
}
