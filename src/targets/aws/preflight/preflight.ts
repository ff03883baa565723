// What an account would refuse, asked before anything is made. Each question is a file; what one cannot ask yet it says.
import { during } from "../../../progress.ts";
import type { PreflightReport } from "../../../reports.ts";
import { observeEnvironment } from "../cloudformation/describe-stacks.ts";
import { type Context, locate } from "../context.ts";
import { withFleets } from "../prices/cost.ts";
import { observeServing } from "../running.ts";
import { askMachines } from "./machines.ts";
import { askNetwork } from "./network.ts";
import { askPermissions } from "./permissions.ts";
import type { Answer, Preflight } from "./question.ts";
import { askQuotas } from "./quotas.ts";
import { askStacks } from "./stacks.ts";

const QUESTIONS: [about: string, ask: (preflight: Preflight) => Promise<Answer>][] = [
  ["permissions", askPermissions],
  ["network", askNetwork],
  ["stacks", askStacks],
  ["machines", askMachines],
  ["quotas", askQuotas],
];

export async function preflight(context: Context): Promise<PreflightReport> {
  const { app, environment } = context.deployment;
  const place = await locate(context);
  const seen = await observeEnvironment(context.clients, { app, environment });
  const { running, rules } = await observeServing(context, seen);
  const { makeStacks } = await import("../templates/index.ts");
  const templates = makeStacks(context.deployment, running, rules);
  const complete = makeStacks(context.deployment, withFleets(context.deployment, running));
  // Once more by their names, which may be somebody else's.
  const standing = await observeEnvironment(context.clients, { app, environment, names: templates.map(({ name }) => name) });
  const answers = await Promise.all(
    QUESTIONS.map(async ([about, ask]) => {
      let answer: Answer | undefined;
      await during(context.emit, about, about, async () => {
        answer = await ask({ context, place, standing, templates, complete });
        return about;
      });
      return { about, ...(answer as Answer) };
    }),
  );
  return { app, environment, account: place.account, region: place.region, answers };
}
