import type { Command } from "commander";
import { type CommonOptions, openToRead, report } from "../operate.ts";
import { asReading } from "../options.ts";
import { describeExport } from "../print/reports.ts";

export default function exportCommand(command: Command): void {
  asReading(command, ["landfall export production", "landfall export production --standing --out infrastructure/production"])
    .option("--out <dir>", "where to write; a new or empty folder (default: ENV-export)")
    .option("--standing", "as it stands in the account, with the fleets that run; else as configured, without asking an account")
    .action(async (env: string, { out, standing, ...options }: CommonOptions & { out?: string; standing?: boolean }) => {
      const environment = await openToRead(env);
      report(options, await environment.exportTo(out ?? `${env}-export`, { standing }), describeExport);
    });
}
