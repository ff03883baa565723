// The stacks of an environment as they stand in the account, with their templates.

import pLimit from "p-limit";
import { asciiJson } from "../../../text/json.ts";
import type { StackState } from "../cloudformation/describe-stacks.ts";
import { observeEnvironment, observeTemplate } from "../cloudformation/describe-stacks.ts";
import type { Context } from "../context.ts";
import type { StandingStack } from "./template.ts";

/** CloudFormation answers about so many calls at once without complaint. */
const AT_ONCE = 6;
/** Of these nothing stands: never made, or rolled back when made. */
const EMPTY: StackState["status"][] = ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"];

export type ObservedStack = StandingStack & Pick<StackState, "status">;

/** The stack that the app's environments share is among them. Reads the stacks unless they are given. */
export async function loadStanding(
  { deployment: { app, environment }, clients }: Context,
  observed?: Map<string, StackState>,
): Promise<ObservedStack[]> {
  const limit = pLimit(AT_ONCE);
  const stacks = [...(observed ?? (await observeEnvironment(clients, { app, environment }))).values()];
  return Promise.all(
    stacks
      .filter(({ status }) => !EMPTY.includes(status))
      .map((stack) =>
        limit(async () => ({
          name: stack.name,
          status: stack.status,
          body: asciiJson((await observeTemplate(clients, stack)) ?? { Resources: {} }),
        })),
      ),
  );
}
