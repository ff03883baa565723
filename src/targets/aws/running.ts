// The fleets and rules that serve in an environment, read back from the templates that stand. Nothing else remembers it, so template and account never disagree.

import pLimit from "p-limit";
import { observeEnvironment, observeTemplate, type StackState } from "./cloudformation/describe-stacks.ts";
import type { Context } from "./context.ts";
import { stackName } from "./templates/shared/names.ts";
import { FLEETS_NOTE, fleetsIn, RULES_NOTE, type Running, type Standing, WEIGHTS_NOTE } from "./templates/shared/running.ts";

const AT_ONCE = 6;

/** The fleets of every service. */
export const observeRunning = async (context: Context, stacks?: Map<string, StackState>): Promise<Running> =>
  (await observeServing(context, stacks)).running;

/** The fleets of every service, with their shares of the requests, and the rules in force. Reads the stacks unless they are given. */
export async function observeServing(context: Context, stacks?: Map<string, StackState>): Promise<Standing> {
  const { app, environment } = context.deployment;
  const standing = stacks ?? (await observeEnvironment(context.clients, { app, environment }));
  const limit = pLimit(AT_ONCE);
  const ofEnvironment = [...standing.values()].filter(({ id, tags }) => id !== undefined && tags["landfall:environment"] === environment);
  const noted = await Promise.all(
    ofEnvironment
      .filter(({ tags, name: stack }) => tags["landfall:service"] !== undefined || stack === stackName(context.deployment, "routes"))
      .map((stack) => limit(async () => ({ stack, metadata: (await observeTemplate(context.clients, stack))?.Metadata ?? {} }))),
  );
  const routes = noted.find(({ stack }) => stack.tags["landfall:service"] === undefined)?.metadata ?? {};
  const weights = routes[WEIGHTS_NOTE] ?? {};
  const rules = routes[RULES_NOTE];
  const running = Object.fromEntries(
    noted.flatMap(({ stack, metadata }) => {
      const service = stack.tags["landfall:service"];
      const fleets = metadata[FLEETS_NOTE];
      return service === undefined || !fleets ? [] : [[service, fleetsIn(fleets, weights[service] ?? {})]];
    }),
  );
  return { running, ...(rules ? { rules } : {}) };
}
