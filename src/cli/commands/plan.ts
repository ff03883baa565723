import type { Command } from "commander";
import type { PlanOptions } from "../../index.ts";
import { type CommonOptions, openToRead, report } from "../operate.ts";
import { asReading } from "../options.ts";
import { describePlan } from "../print/plan.ts";
import { paintOut } from "../print/terminal.ts";

export default function plan(command: Command): void {
  asReading(command, ["landfall plan local", "landfall plan production", "landfall plan production --json | jq .cost.after"])
    .option("--fresh", "as if nothing stood yet: what a new environment would be, without asking an account")
    .option("--drift", "on aws: first have the account look for what was changed by hand, which takes minutes")
    .option("-v, --verbose", "every resource in a line of its own, new ones included")
    .action(async (env: string, options: CommonOptions & PlanOptions) => {
      const environment = await openToRead(env);
      const { fresh, drift } = options;
      const { judgeCeiling } = await import("../../index.ts");
      const planned = await environment.plan({ fresh, drift });
      const cost = planned.cost && { ...planned.cost, verdict: judgeCeiling(planned.cost) };
      report({ json: options.json }, { ...planned, cost }, (value) => describePlan(value, { paint: paintOut(), verbose: options.verbose }));
    });
}
