import type { Command } from "commander";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeDeploy } from "../print/reports.ts";

export default function rollback(command: Command): void {
  asActing(command, ["landfall rollback local", "landfall rollback staging --to 7f3c2a1b"])
    .option("--to <release>", "switch to this release instead of the one before")
    .option("--force", "stop instances even if they say that they are not ready for it")
    .action(async (env: string, options: CommonOptions & { to?: string; force?: boolean }) => {
      const { to, force } = options;
      report(options, await operate(env, options, (environment) => environment.rollback({ to, force })), describeDeploy);
    });
}
