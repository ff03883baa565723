import type { Command } from "commander";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeCommission } from "../print/reports.ts";

export default function commission(command: Command): void {
  asActing(command, ["landfall commission local", "landfall commission staging --json"]).action(async (env: string, options: CommonOptions) => {
    report(options, await operate(env, options, (environment) => environment.commission()), describeCommission);
  });
}
