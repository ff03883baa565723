// The two requests by which an app has a say in its own end.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { askInstance, type InstanceQuestion } from "../../../system/ask-instance.ts";
import { systemClock } from "../../../system/clock.ts";
import { hidePasswords } from "../../../text/mask.ts";
import { describeDuration } from "../../../text/units.ts";

export type DrainHook = Pick<InstanceQuestion, "port" | "path" | "host">;

export const describeHook = ({ port, path, host }: DrainHook): string =>
  `http://127.0.0.1:${port}${path}${host === undefined ? "" : `, Host: ${host}`}`;

interface Question {
  hook: DrainHook;
  timeoutMs: number;
  signal?: AbortSignal;
  /** Called with each answer that is not the one before. */
  onNotYet?: (answer: string) => void;
}

const ASK_EVERY_MS = 250;
const ANSWER_WITHIN_MS = 5_000;
const BODY_SHOWN = 200;
/** More than is shown, so that what is hidden is hidden whole. */
const BODY_READ = 16_384;

/** GET until it answers 200. When it still says “not yet”, or nothing, at the time-out, its last answer is the result. */
export async function askUntilReady({ hook, timeoutMs, signal, onNotYet }: Question): Promise<{ ready: true } | { ready: false; answer: string }> {
  const until = performance.now() + timeoutMs;
  for (let last = ""; ; ) {
    const answer = await askOnce(hook);
    if (answer === undefined) return { ready: true };
    if (answer !== last) onNotYet?.(answer);
    last = answer;
    if (performance.now() >= until) return { ready: false, answer };
    await systemClock.sleep(ASK_EVERY_MS, signal);
  }
}

/** Undefined is yes. */
async function askOnce(hook: DrainHook): Promise<string | undefined> {
  try {
    const { status, body } = await ask(hook, "GET");
    return status === 200 ? undefined : `${status} ${JSON.stringify(hidePasswords(body).slice(0, BODY_SHOWN))}`;
  } catch (error) {
    const { message, code = message } = error as NodeJS.ErrnoException;
    return code;
  }
}

/** POST, once; an app that does not answer is drained all the same. */
export async function tellToDrain(hook: DrainHook): Promise<void> {
  await ask(hook, "POST").catch(() => undefined);
}

async function ask(hook: DrainHook, method: "GET" | "POST"): Promise<{ status: number | undefined; body: string }> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  try {
    const asked = askInstance({ ...hook, method, by: "landfall-drain", signal });
    asked.end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    let body = "";
    for await (const chunk of answer.setEncoding("utf8")) body = (body + chunk).slice(0, BODY_READ);
    return { status: answer.statusCode, body };
  } catch (error) {
    throw signal.aborted ? new Error(`no answer within ${describeDuration(ANSWER_WITHIN_MS)}`) : error;
  }
}
