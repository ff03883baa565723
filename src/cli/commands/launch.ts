import type { Command } from "commander";
import { type CommonOptions, perform, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeLaunch } from "../print/reports.ts";
import { parseWhole } from "../usage.ts";

type Options = CommonOptions & { environment?: string; max?: string; dirty?: boolean };

export default function launch(command: Command): void {
  asActing(command, ["landfall launch examples/guestbook 3", "landfall launch . 8 --max 10", "landfall launch . 2 --environment production"])
    .option("--environment <env>", "the environment, on this machine or on AWS; local when left out")
    .option("--max <n>", "the guard on n; 5 when left out")
    .option("--dirty", "release the files as they are, committed or not")
    .action(async (dir: string, n: string, options: Options) => {
      const { environment = "local", dirty } = options;
      const count = parseWhole(n, "the number of servers <n>", 1);
      const max = options.max === undefined ? undefined : parseWhole(options.max, "--max", 1);
      const library = await import("../../index.ts");
      const launched = await perform({ name: environment, folder: dir }, options, (context) =>
        library.launch(dir, count, { environment, max, dirty, ...context }),
      );
      report(options, launched, describeLaunch);
    });
}
