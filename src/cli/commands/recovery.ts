import type { Command } from "commander";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeRecovery } from "../print/reports.ts";
import { describeStatus } from "../print/status.ts";
import { paintOut } from "../print/terminal.ts";

export const resume = recovery("resume");
export const abort = recovery("abort");

function recovery(way: "resume" | "abort") {
  return (command: Command): void => {
    asActing(command, [`landfall ${way} local`, `landfall ${way} staging --json`]).action(async (env: string, options: CommonOptions) => {
      const recovered = await operate(env, options, (environment) => environment[way]());
      report(
        options,
        recovered,
        (outcome) => `${describeRecovery(outcome)}\n${describeStatus(outcome.status, { paint: paintOut(), now: Date.now() })}`,
      );
    });
  };
}
