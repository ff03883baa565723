import type { Command } from "commander";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeOutcome } from "../print/reports.ts";

export default function resume(command: Command): void {
  asActing(command, ["landfall resume local", "landfall resume staging --json"]).action(async (env: string, options: CommonOptions) => {
    const done = await operate(env, options, (environment) => environment.resume());
    report(options, done, (outcome) => (outcome ? describeOutcome(outcome) : `Nothing was interrupted in ${env}.`));
  });
}
