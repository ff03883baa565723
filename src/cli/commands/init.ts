import type { Command } from "commander";
import { report } from "../operate.ts";
import { withExamples } from "../options.ts";
import { describeInit } from "../print/reports.ts";

export default function init(command: Command): void {
  withExamples(command, ["landfall init", "landfall init --force"])
    .option("--force", "replace the configuration that stands here")
    .option("--json", "print the report as JSON on stdout")
    .action(async ({ force, json }: { force?: boolean; json?: boolean }) => {
      const { writeConfig } = await import("../../index.ts");
      report({ json }, await writeConfig(process.cwd(), { force }), describeInit);
    });
}
