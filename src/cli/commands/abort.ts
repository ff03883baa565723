import type { Command } from "commander";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeDeploy } from "../print/reports.ts";

export default function abort(command: Command): void {
  asActing(command, ["landfall abort local", "landfall abort staging --json"]).action(async (env: string, options: CommonOptions) => {
    const done = await operate(env, options, (environment) => environment.abort());
    report(options, done, (outcome) => (outcome ? describeDeploy(outcome) : `Nothing was interrupted in ${env}.`));
  });
}
