import { setTimeout as sleepFor } from "node:timers/promises";

/** Time, passed in so that tests can hold it. */
export interface Clock {
  /** Milliseconds since 1970, for records. */
  now(): number;
  /** Rejects with AbortError when the signal aborts. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (durationMs, signal) => {
    await sleepFor(durationMs, undefined, { signal });
  },
};
