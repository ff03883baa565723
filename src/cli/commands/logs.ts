import type { Command } from "commander";
import type { LogFilter, LogLine } from "../../index.ts";
import { openToRead } from "../operate.ts";
import { asReading } from "../options.ts";
import { describeLogLine } from "../print/reports.ts";
import { paintOut, printJson, printJsonLine, printOut } from "../print/terminal.ts";
import { parseGrep, parseSince, parseWhole } from "../usage.ts";

interface LogsOptions {
  json?: boolean;
  follow?: boolean;
  since?: string;
  grep?: string;
  tail?: string;
  release?: string;
  instance?: string;
}

export default function logs(command: Command): void {
  asReading(command, ["landfall logs local --follow", 'landfall logs local web --since 10m --grep "timed? out"'])
    .option("-f, --follow", "go on with what is printed from now on; with --json as an object a line")
    .option("--since <time>", "from then on: 30s, 10m, 2h, 1d, or a date")
    .option("--grep <regex>", "only lines that match")
    .option("--tail <n>", "only the last n lines")
    .option("--release <id>", "only of this release")
    .option("--instance <id>", "only of this instance: web.2; web.0 is the one that tries whether a new release stops when it is asked to")
    .action(async (env: string, service: string | undefined, options: LogsOptions) => {
      const filter = makeFilter(service, options);
      const lines = (await openToRead(env)).logs(filter);
      if (options.json && !options.follow) return printJson(await collect(lines));
      const paint = paintOut();
      for await (const line of lines) {
        if (options.json) printJsonLine(line);
        else printOut(describeLogLine(line, paint));
      }
    });
}

function makeFilter(service: string | undefined, options: LogsOptions): LogFilter {
  const { follow, release, instance } = options;
  const tail = options.tail === undefined ? undefined : parseWhole(options.tail, "--tail", 0);
  return { service, release, instance, follow, tail, since: parseSince(options.since, Date.now()), grep: parseGrep(options.grep) };
}

async function collect(lines: AsyncGenerator<LogLine>): Promise<LogLine[]> {
  const kept: LogLine[] = [];
  for await (const line of lines) kept.push(line);
  return kept;
}
