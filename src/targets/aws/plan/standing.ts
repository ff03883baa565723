// The stacks of an environment as they stand in the account, with their templates.
import { observeEnvironment, observeTemplate, type Standing } from "../cloudformation/stand.ts";
import { makeTurns } from "../cloudformation/turns.ts";
import type { Context } from "../context.ts";
import type { StandingStack } from "./template.ts";

/** CloudFormation answers about so many calls at once without complaint. */
const AT_ONCE = 6;
/** Of these nothing stands: never made, or rolled back when made. */
const EMPTY: Standing["status"][] = ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"];

export type ObservedStack = StandingStack & Pick<Standing, "status">;

/** The foundation, which the app's environments share, is among them. Reads the stacks unless they are given. */
export async function loadStanding({ app: { app, name }, clients }: Context, observed?: Map<string, Standing>): Promise<ObservedStack[]> {
  const turn = makeTurns(AT_ONCE);
  const stacks = [...(observed ?? (await observeEnvironment(clients, { app: app.name, environment: name }))).values()];
  return Promise.all(
    stacks
      .filter(({ status }) => !EMPTY.includes(status))
      .map((stack) =>
        turn(async () => ({
          name: stack.name,
          status: stack.status,
          body: JSON.stringify((await observeTemplate(clients, stack)) ?? { Resources: {} }),
        })),
      ),
  );
}
