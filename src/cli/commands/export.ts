import type { Command } from "commander";
import { type CommonOptions, openToRead, report } from "../operate.ts";
import { asReading } from "../options.ts";
import { describeExport } from "../print/reports.ts";

export default function exportCommand(command: Command): void {
  asReading(command, ["landfall export production", "landfall export production --out infrastructure/production"])
    .option("--out <dir>", "where to write; a new or empty folder (default: ENV-export)")
    .action(async (env: string, options: CommonOptions & { out?: string }) => {
      const environment = await openToRead(env);
      report(options, await environment.exportTo(options.out ?? `${env}-export`), describeExport);
    });
}
