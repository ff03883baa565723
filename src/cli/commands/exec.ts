import { constants } from "node:os";
import type { Command } from "commander";
import { operate } from "../operate.ts";
import { withExamples } from "../options.ts";
import { printJson } from "../print/terminal.ts";

/** The command's output is this command's output, and its exit status too; with --json its output goes to stderr instead. */
export default function exec(command: Command): void {
  withExamples(command, ["landfall exec local web -- node --version", "landfall exec local worker -- sh -c 'echo $DATABASE_URL'"])
    .option("--json", "print how it ended as JSON on stdout")
    .action(async (env: string, service: string, argv: string[], options: { json?: boolean }) => {
      const output = options.json ? "show" : "stdout";
      const exit = await operate(env, { output }, (environment) => environment.exec(service, argv));
      if (options.json) printJson(exit);
      process.exitCode = exit.signal ? 128 + (constants.signals[exit.signal as NodeJS.Signals] ?? 0) : exit.code;
    });
}
