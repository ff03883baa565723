// The two requests by which an app has a say in its own end.
import { systemClock } from "../../system/clock.ts";

/** GET until it answers 200. False when it still says “not yet”, or nothing, at the time-out. */
export async function askUntilReady(input: { url: string; timeoutMs: number; signal?: AbortSignal }): Promise<boolean> {
  const until = performance.now() + input.timeoutMs;
  while (performance.now() < until) {
    const answer = await fetch(input.url, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return true;
    await systemClock.sleep(250, input.signal);
  }
  return false;
}

/** POST, once; an app that does not answer is drained all the same. */
export async function tellToDrain(url: string): Promise<void> {
  const answer = await fetch(url, { method: "POST", signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
  await answer?.body?.cancel();
}
