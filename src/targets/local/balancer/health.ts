import { askInstance } from "../../../system/ask-instance.ts";
import type { HealthRule } from "./api.ts";

/**
 * Asks an upstream at its interval and tells of each change that counts: unhealthy after so many failures in a row,
 * healthy after one pass. `check` asks at once instead of at the next turn.
 */
export function watchHealth(port: number, health: HealthRule, tell: (healthy: boolean) => void): { check(): void; stop(): void } {
  let failures = 0;
  let stopped = false;
  let timer: NodeJS.Timeout;
  let asking = false;

  const turn = async () => {
    if (asking) return;
    asking = true;
    const passed = await ask(port, health);
    asking = false;
    if (stopped) return;
    failures = passed ? 0 : failures + 1;
    if (passed) tell(true);
    else if (failures >= health.unhealthyAfter) tell(false);
    timer = setTimeout(turn, health.intervalMs).unref();
  };
  timer = setTimeout(turn, health.intervalMs).unref();

  return {
    check: () => {
      clearTimeout(timer);
      void turn();
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** True when the answer's status came in time and is in the range. Its body is not waited for. */
function ask(port: number, health: HealthRule): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = askInstance({ port, path: health.path, host: health.host, by: "landfall-balancer" });
    const timer = setTimeout(() => asked.destroy(new Error("no answer in time")), health.timeoutMs);
    asked.on("response", (response) => {
      clearTimeout(timer);
      const status = response.statusCode ?? 0;
      resolve(status >= health.from && status <= health.to);
      response.destroy();
    });
    asked.on("error", () => {
      clearTimeout(timer);
      resolve(false);
    });
    asked.end();
  });
}
