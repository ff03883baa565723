import type { Command } from "commander";
import { type CommonOptions, perform, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeRecovery, describeStopped } from "../print/reports.ts";
import { UsageProblem } from "../usage.ts";

interface BootOptions extends CommonOptions {
  start?: boolean;
  stop?: boolean;
}

export default function boot(command: Command): void {
  asActing(command, [
    "landfall boot local",
    "landfall boot local | sudo tee /etc/systemd/system/landfall-shop-local.service",
    "landfall boot local --stop",
  ])
    .option("--start", "what the unit calls when the machine starts: brings back what stood; an interrupted deploy is undone")
    .option("--stop", "what it calls before the machine goes down: stops all of it in order, and keeps it for --start or resume")
    .action(async (env: string, { start, stop, ...options }: BootOptions) => {
      if (start && stop) throw new UsageProblem("--start and --stop exclude each other");
      const library = await import("../../index.ts");
      if (start) report(options, await perform({ name: env }, options, (context) => library.startAtBoot(env, context)), describeRecovery);
      else if (stop) report(options, await perform({ name: env }, options, (context) => library.stopAtBoot(env, context)), describeStopped);
      else report(options, await library.describeBoot(env, [process.execPath, ...process.argv.slice(1, 2)]), ({ text }) => text.trimEnd());
    });
}
