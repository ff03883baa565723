// One question, asked until it is answered well: is the instance on this port fit to get requests again?
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Edge } from "../balancer/api.ts";

type Health = Edge["services"][string]["health"];

/** True once a check passes; false when the signal aborts first. A service without a check passes at once. */
export async function passesHealth(port: number, health: () => Health | undefined, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const check = health();
    if (!check || (await answersWell(port, check))) return !signal.aborted;
    await sleep(check.intervalMs, undefined, { signal }).catch(() => {});
  }
  return false;
}

function answersWell(port: number, { path, from, to, timeoutMs }: Health): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, path, agent: false, signal: AbortSignal.timeout(timeoutMs) }, (answer) => {
      answer.resume();
      const status = answer.statusCode ?? 0;
      resolve(status >= from && status <= to);
    });
    asked.on("error", () => resolve(false));
    asked.end();
  });
}
