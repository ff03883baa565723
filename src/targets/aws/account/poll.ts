// Waiting for AWS, which calls nobody back: soon at first, then ever more seldom.
import { LandfallError } from "../../../error.ts";
import type { Account } from "./account.ts";

const FIRST_MS = 100;
const LONGEST_MS = 5_000;
const GROWTH = 1.6;

/** Yields at once, and then after pauses that grow to five seconds. Rejects with INTERRUPTED when the signal aborts. */
export async function* pollEvery({ clock, signal }: Pick<Account, "clock" | "signal">): AsyncGenerator<void> {
  for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(LONGEST_MS, pauseMs * GROWTH)) {
    if (signal?.aborted) throw interrupted();
    yield;
    await clock.sleep(pauseMs, signal).catch(() => {});
  }
}

const interrupted = () =>
  new LandfallError({
    code: "INTERRUPTED",
    what: "waiting for AWS was interrupted",
    standing: "What CloudFormation has begun goes on by itself.",
    next: "run the same command again to join it, or  landfall abort  to take it back",
  });
