import type { Command } from "commander";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeStatus } from "../print/status.ts";
import { paintOut } from "../print/terminal.ts";
import { parseCounts } from "../usage.ts";

export default function scale(command: Command): void {
  asActing(command, ["landfall scale local web=4", "landfall scale staging web=4 worker=2"])
    .option("--force", "stop instances even if they say that they are not ready for it")
    .action(async (env: string, pairs: string[], options: CommonOptions & { force?: boolean }) => {
      const counts = parseCounts(pairs);
      const status = await operate(env, options, (environment) => environment.scale(counts, { force: options.force }));
      report(options, status, (standing) => describeStatus(standing, { paint: paintOut(), now: Date.now() }));
    });
}
