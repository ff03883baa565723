// One question, asked until it is answered well: is the instance on this port fit to get requests again?
import { setTimeout as sleep } from "node:timers/promises";
import { askInstance } from "../../../system/ask-instance.ts";
import type { HealthRule } from "../balancer/api.ts";

interface Question {
  port: number;
  health: () => HealthRule | undefined;
  /** Whether it is the instance that answers there. */
  isOwn: () => boolean;
}

/** True once a check passes; false when the signal aborts first. A service without a check passes at once. */
export async function passesHealth({ port, health, isOwn }: Question, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const check = health();
    if (!check || ((await answersWell(port, check)) && isOwn())) return !signal.aborted;
    await sleep(check.intervalMs, undefined, { signal }).catch(() => {});
  }
  return false;
}

function answersWell(port: number, { path, host, from, to, timeoutMs }: HealthRule): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = askInstance({ port, path, host, by: "landfall-health", signal: AbortSignal.timeout(timeoutMs) });
    asked.on("response", (answer) => {
      answer.resume();
      const status = answer.statusCode ?? 0;
      resolve(status >= from && status <= to);
    });
    asked.on("error", () => resolve(false));
    asked.end();
  });
}
