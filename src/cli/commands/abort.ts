import type { Command } from "commander";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeRecovery } from "../print/reports.ts";
import { describeStatus } from "../print/status.ts";
import { paintOut } from "../print/terminal.ts";

export default function abort(command: Command): void {
  asActing(command, ["landfall abort local", "landfall abort staging --json"]).action(async (env: string, options: CommonOptions) => {
    const done = await operate(env, options, (environment) => environment.abort());
    report(options, done, (outcome) => `${describeRecovery(outcome)}\n${describeStatus(outcome.status, { paint: paintOut(), now: Date.now() })}`);
  });
}
