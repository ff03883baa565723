import type { Command } from "commander";
import { type CommonOptions, report } from "../operate.ts";
import { asReading } from "../options.ts";
import { describeList } from "../print/reports.ts";

export default function list(command: Command): void {
  asReading(command, ["landfall list", "landfall list --json | jq -r '.[].address'"]).action(async (options: CommonOptions) => {
    const { listEnvironments } = await import("../../index.ts");
    report(options, await listEnvironments(), describeList);
  });
}
