// The two requests by which an app has a say in its own end.
import { systemClock } from "../../system/clock.ts";

interface Question {
  url: string;
  timeoutMs: number;
  signal?: AbortSignal;
  /** Called with each answer that is not the one before. */
  onNotYet?: (answer: string) => void;
}

const ASK_EVERY_MS = 250;
const ANSWER_WITHIN_MS = 5_000;
const BODY_SHOWN = 200;

/** GET until it answers 200. When it still says “not yet”, or nothing, at the time-out, its last answer is the result. */
export async function askUntilReady({ url, timeoutMs, signal, onNotYet }: Question): Promise<{ ready: true } | { ready: false; answer: string }> {
  const until = performance.now() + timeoutMs;
  for (let last = ""; ; ) {
    const answer = await askOnce(url);
    if (answer === undefined) return { ready: true };
    if (answer !== last) onNotYet?.(answer);
    last = answer;
    if (performance.now() >= until) return { ready: false, answer };
    await systemClock.sleep(ASK_EVERY_MS, signal);
  }
}

/** Undefined is yes. */
async function askOnce(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    const body = await answer.text();
    return answer.status === 200 ? undefined : `${answer.status} ${JSON.stringify(body.slice(0, BODY_SHOWN))}`;
  } catch (error) {
    const { name, message, cause } = error as Error & { cause?: { code?: string } };
    return name === "TimeoutError" ? `no answer within ${ANSWER_WITHIN_MS / 1000} s` : (cause?.code ?? message);
  }
}

/** POST, once; an app that does not answer is drained all the same. */
export async function tellToDrain(url: string): Promise<void> {
  const answer = await fetch(url, { method: "POST", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch(() => undefined);
  await answer?.body?.cancel();
}
