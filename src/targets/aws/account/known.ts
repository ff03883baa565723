// EC2 knows what it has just made some seconds late, wherever it is asked: https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html.
import type { Account } from "./account.ts";
import { pollEvery } from "./poll.ts";

/** Nothing that is there stays unknown for longer. */
export const KNOWN_AFTER_MS = 60_000;

/** What EC2 says of something that it does not know, yet or any more. */
export const isUnknown = (error: unknown): boolean => error instanceof Error && /^Invalid\w+\.NotFound$/.test(error.name);

/** Makes a call about something that was just made, again and again while EC2 does not know it. Rejects as the call does once it has to. */
export async function onceKnown<Answer>(account: Pick<Account, "clock" | "signal">, call: () => Promise<Answer>): Promise<Answer> {
  const from = account.clock.now();
  for await (const _ of pollEvery(account)) {
    try {
      return await call();
    } catch (error) {
      if (!isUnknown(error) || account.clock.now() - from > KNOWN_AFTER_MS) throw error;
    }
  }
  throw new TypeError("polling ended by itself");
}
