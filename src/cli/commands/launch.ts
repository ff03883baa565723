import type { Command } from "commander";
import { type CommonOptions, perform, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeLaunch } from "../print/reports.ts";
import { parseWhole } from "../usage.ts";

export default function launch(command: Command): void {
  asActing(command, ["landfall launch examples/guestbook 3", "landfall launch . 8 --max 10"])
    .option("--max <n>", "the guard on n; 5 when left out")
    .option("--dirty", "release the files as they are, committed or not")
    .action(async (dir: string, n: string, options: CommonOptions & { max?: string; dirty?: boolean }) => {
      const count = parseWhole(n, "the number of servers <n>", 1);
      const max = options.max === undefined ? undefined : parseWhole(options.max, "--max", 1);
      const library = await import("../../index.ts");
      const done = await perform({ name: "local", folder: dir }, options, (context) =>
        library.launch(dir, count, { max, dirty: options.dirty, ...context }),
      );
      report(options, done, describeLaunch);
    });
}
