// Watches CloudFormation work on one stack until it rests, and passes on what it tells.
import type { Context } from "../context.ts";
import { observeEvents, Timeline } from "./events.ts";
import { pollEvery } from "./poll.ts";
import { whySlow } from "./sayings.ts";
import { observeStack, type Standing } from "./stand.ts";

const isMoving = ({ status }: Standing) => status.endsWith("_IN_PROGRESS") && status !== "REVIEW_IN_PROGRESS";

/** Resolves with the state it rests in. */
export async function follow(context: Context, from: Standing): Promise<Standing> {
  const { clients, emit } = context;
  const { name, id } = from;
  if (id === undefined || from.status === "REVIEW_IN_PROGRESS") return from;
  const timeline = new Timeline();
  const explained = new Set<string>();
  let standing = from;
  let seen: string | undefined;
  for await (const _ of pollEvery(context)) {
    for (const one of await observeEvents(clients, id, seen)) {
      seen = one.id;
      emit({ type: "output", step: stepOf(name), line: timeline.describe(one) });
      const slow = one.status.endsWith("_IN_PROGRESS") && !explained.has(one.type) ? whySlow(one.type) : undefined;
      explained.add(one.type);
      if (slow) emit({ type: "note", text: `${name}: ${one.logicalId}: ${slow}` });
    }
    if (!isMoving(standing)) break;
    standing = await observeStack(clients, name, id);
  }
  return standing;
}

export const stepOf = (stack: string) => `stack ${stack}`;
