import type { Command } from "commander";
import { type CommonOptions, report } from "../operate.ts";
import { asReading } from "../options.ts";
import { describeCheck } from "../print/reports.ts";

export default function check(command: Command): void {
  asReading(command, ["landfall check", "landfall check --json"]).action(async (options: CommonOptions) => {
    const library = await import("../../index.ts");
    report(options, await library.check(), describeCheck);
  });
}
