import type { Command } from "commander";
import { withExamples } from "../options.ts";
import { UsageProblem } from "../usage.ts";

interface ExecOptions {
  all?: boolean;
  instance?: string;
  json?: boolean;
  verbose?: boolean;
}

const INSTANCE = "on this instance, such as web.2; on a healthy one when left out";

export default function exec(command: Command): void {
  withExamples(command, [
    "landfall exec local web -- node --version",
    "landfall exec local web -- npm run --silent report > report.csv",
    "landfall exec production web -- bin/import < users.csv",
    "landfall exec production worker --all -- df -h",
  ])
    .option("--instance <id>", INSTANCE)
    .option("--all", "on every instance at once, each line after the instance's name; nothing is read from stdin")
    .option("--json", "print how it ended and what it printed as JSON on stdout; nothing is read from stdin")
    .option("-v, --verbose", "also say where it runs")
    .action(async (env: string, service: string, argv: string[], options: ExecOptions) => {
      if (options.all && options.instance !== undefined) throw new UsageProblem("--all and --instance exclude each other");
      const { runOnAll, runOnOne } = await import("../by-hand.ts");
      const asked = { env, service, argv, ...options };
      process.exitCode = await (options.all ? runOnAll(asked) : runOnOne(asked));
    });
}

/** Of a container nothing is known but that there may be a shell. */
const SHELL = ["/bin/sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec sh; fi"];

export function shell(command: Command): void {
  withExamples(command, ["landfall shell local web", "landfall shell production worker --instance i-0123456789abcdef0"])
    .option("--instance <id>", INSTANCE)
    .option("-v, --verbose", "also say where it runs")
    .action(async (env: string, service: string, options: Pick<ExecOptions, "instance" | "verbose">) => {
      const { runOnOne } = await import("../by-hand.ts");
      process.exitCode = await runOnOne({ env, service, argv: SHELL, ...options });
    });
}
