// What runs in an environment, read back from the templates that stand. Nothing else remembers it, so template and account never disagree.
import { observeEnvironment, observeTemplate, type Standing } from "./cloudformation/stand.ts";
import { makeTurns } from "./cloudformation/turns.ts";
import type { Context } from "./context.ts";
import { FLEETS_NOTE, type FleetsNote, type Running, type Slot, WEIGHTS_NOTE, type WeightsNote } from "./stacks/running.ts";

const AT_ONCE = 6;

/** The fleets of every service, with their shares of the requests. Reads the stacks unless they are given. */
export async function observeRunning(context: Context, stacks?: Map<string, Standing>): Promise<Running> {
  const { app, name } = context.app;
  const standing = stacks ?? (await observeEnvironment(context.clients, { app: app.name, environment: name }));
  const turn = makeTurns(AT_ONCE);
  const own = [...standing.values()].filter(({ id, tags }) => id !== undefined && tags["landfall:environment"] === name);
  const noted = await Promise.all(
    own
      .filter(({ tags, name: stack }) => tags["landfall:service"] !== undefined || stack === `${app.name}-${name}-routes`)
      .map((stack) => turn(async () => ({ stack, metadata: (await observeTemplate(context.clients, stack))?.Metadata ?? {} }))),
  );
  const weights = (noted.find(({ metadata }) => WEIGHTS_NOTE in metadata)?.metadata[WEIGHTS_NOTE] ?? {}) as WeightsNote;
  return Object.fromEntries(
    noted.flatMap(({ stack, metadata }) => {
      const service = stack.tags["landfall:service"];
      const fleets = metadata[FLEETS_NOTE] as FleetsNote | undefined;
      return service === undefined || !fleets ? [] : [[service, withWeights(fleets, weights[service] ?? {})]];
    }),
  );
}

const withWeights = (fleets: FleetsNote, weights: WeightsNote[string]): Running[string] =>
  Object.fromEntries(
    Object.entries(fleets).map(([slot, fleet]) => {
      const weight = weights[slot as Slot];
      return [slot, { ...fleet, ...(weight === undefined ? {} : { weight }) }];
    }),
  );
