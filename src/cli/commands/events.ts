import type { Command } from "commander";
import { openToRead, report } from "../operate.ts";
import { asReading } from "../options.ts";
import { describeEvents } from "../print/reports.ts";
import { parseSince, parseWhole } from "../usage.ts";

interface EventsOptions {
  json?: boolean;
  since?: string;
  tail?: string;
}

export default function events(command: Command): void {
  asReading(command, ["landfall events local --tail 20", "landfall events local --since 1d --json"])
    .option("--since <time>", "from then on: 30s, 10m, 2h, 1d, or a date")
    .option("--tail <n>", "only the last n events")
    .action(async (env: string, options: EventsOptions) => {
      const tail = options.tail === undefined ? undefined : parseWhole(options.tail, "--tail", 0);
      const since = parseSince(options.since, Date.now());
      report(options, await (await openToRead(env)).events({ since, tail }), describeEvents);
    });
}
