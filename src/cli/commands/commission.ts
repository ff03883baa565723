import type { Command } from "commander";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeCommission } from "../print/reports.ts";

interface CommissionOptions extends CommonOptions {
  confirmReplace?: string[];
}

export default function commission(command: Command): void {
  asActing(command, ["landfall commission local", "landfall commission staging --json", "landfall commission production --confirm-replace Database"])
    .option("--confirm-replace <names...>", "AWS: what holds data and may be replaced or removed, as the refusal names it")
    .action(async (env: string, options: CommissionOptions) => {
      const { confirmReplace } = options;
      report(options, await operate(env, options, (environment) => environment.commission({ confirmReplace })), describeCommission);
    });
}
