// Two commands that look ahead: what would change, and what an account would refuse of it.
import type { Command } from "commander";
import type { PlanOptions } from "../../index.ts";
import { type CommonOptions, openToRead, operate, report } from "../operate.ts";
import { asReading } from "../options.ts";
import { describePlan } from "../print/plan.ts";
import { describePreflight } from "../print/preflight.ts";
import { paintOut } from "../print/terminal.ts";

export function plan(command: Command): void {
  asReading(command, ["landfall plan local", "landfall plan production", "landfall plan production --json | jq .cost.after"])
    .option("--fresh", "as if nothing stood yet: what a new environment would be, without asking an account")
    .option("--drift", "on aws: first have the account look for what was changed by hand, which takes minutes")
    .option("-v, --verbose", "every resource in a line of its own, new ones included")
    .action(async (env: string, options: CommonOptions & PlanOptions) => {
      const environment = await openToRead(env);
      const { fresh, drift } = options;
      const { judgeBudget } = await import("../../index.ts");
      const planned = await environment.plan({ fresh, drift });
      const cost = planned.cost && { ...planned.cost, verdict: judgeBudget(planned.cost) };
      report({ json: options.json }, { ...planned, cost }, (value) => describePlan(value, { paint: paintOut(), verbose: options.verbose }));
    });
}

/** As for a command that was refused. */
const STATUS_OF_FINDINGS = 3;

export function preflight(command: Command): void {
  asReading(command, ["landfall preflight production", "landfall preflight production --json | jq '.answers[].findings[]'"])
    .addHelpText("after", "\nThe exit status is 3 when something would be refused. Nothing is billed, and nothing of it stays.")
    .action(async (env: string, options: CommonOptions) => {
      const found = await operate(env, options, (environment) => environment.preflight());
      report(options, found, describePreflight);
      if (found.answers.some(({ findings }) => findings.length > 0)) process.exitCode = STATUS_OF_FINDINGS;
    });
}
