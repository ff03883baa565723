// Watches CloudFormation work on one stack until it rests, and passes on what it tells.

import { pollEvery } from "../account/poll.ts";
import type { Context } from "../context.ts";
import { RESOURCE_TYPES } from "../resource-types/index.ts";
import { observeStack, type StackState } from "./describe-stacks.ts";
import { observeEvents, Timeline } from "./events.ts";

const isMoving = ({ status }: StackState) => status.endsWith("_IN_PROGRESS") && status !== "REVIEW_IN_PROGRESS";

const isForward = ({ status }: StackState) => status === "CREATE_IN_PROGRESS" || status === "UPDATE_IN_PROGRESS";

/** Resolves with the state it rests in; or with that in which `isLost` finds that there is nothing to wait for. */
export async function waitForStack(context: Context, from: StackState, isLost?: () => Promise<boolean>): Promise<StackState> {
  const { clients, emit } = context;
  const { name, id } = from;
  if (id === undefined || from.status === "REVIEW_IN_PROGRESS") return from;
  const timeline = new Timeline();
  const explained = new Set<string>();
  let standing = from;
  let seen: string | undefined;
  for await (const _ of pollEvery(context)) {
    for (const event of await observeEvents(clients, id, seen)) {
      seen = event.id;
      emit({ type: "output", step: stepOf(name), line: timeline.describe(event) });
      const slow = event.status.endsWith("_IN_PROGRESS") && !explained.has(event.type) ? RESOURCE_TYPES[event.type]?.slow : undefined;
      explained.add(event.type);
      if (slow) emit({ type: "note", text: `${name}: ${event.logicalId}: ${slow}` });
    }
    if (!isMoving(standing) || (isForward(standing) && (await isLost?.()))) break;
    standing = await observeStack(clients, name, id);
  }
  return standing;
}

export const stepOf = (stack: string) => `stack ${stack}`;
