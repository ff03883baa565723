// Every rolling update of a small world, by the numbers of the templates: none may be taken back by what it does itself, no request may go to an
// app that was stopped for it, and the balancer must never find fewer instances healthy than are to serve meanwhile.
import { describe, expect, it } from "vitest";
import { type Fleet, makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { production } from "../templates/apps.ts";
import { readUpdate, simulate, type Update } from "./rolling-update.ts";

const COUNTS = Array.from({ length: 20 }, (_, index) => index + 1);
const BOOTS_S = Array.from({ length: 40 }, (_, index) => (index + 1) * 10);
const BATCHES = [1, "25%", "100%"];
const STEADY_S = 5;
const HEALTHS = [{}, { interval: "1m", timeout: "30s" }];
const DRAINS = ["0s", "1m"];
const MINUTE_S = 60;

interface World {
  batch: number | string;
  surge: boolean;
  health: object;
  drain: string;
}

/** One service of each size in one environment; whatever an app needs for its start is allowed to it. */
function updatesOf({ batch, surge, health, drain }: World): Update[] {
  const service = { command: "true", port: 3000, health: { startupTimeout: "10m", steadyFor: `${STEADY_S}s`, ...health }, drain: { timeout: drain } };
  const services = Object.fromEntries(COUNTS.map((instances) => [`web-${instances}`, { ...service, instances }]));
  const routes = COUNTS.map((instances) => ({ path: `/${instances}/*`, service: `web-${instances}` }));
  const app = production({ name: "grid", services, routes, rollout: { batch, surge }, environments: { production: { target: "aws" } } });
  const blue: Fleet = { release: "a", image: "ami-1", script: "exec boot" };
  const stacks = makeStacks(app, Object.fromEntries(Object.keys(services).map((name) => [name, { blue }])));
  return stacks.flatMap(({ role, body }) => (role === "service" ? [readUpdate(body, STEADY_S)] : []));
}

const worlds = BATCHES.flatMap((batch) =>
  [true, false].flatMap((surge) => HEALTHS.flatMap((health) => DRAINS.map((drain): World => ({ batch, surge, health, drain })))),
);

describe("a rolling update", () => {
  it.each(worlds)("in batches of $batch, with room $surge, checks $health, drain $drain", (world) => {
    const updates = updatesOf(world);
    expect(updates.map(({ count }) => count)).toHaveLength(COUNTS.length);
    const found = updates.flatMap((update) => BOOTS_S.map((bootS) => ({ bootS, update, ...simulate(update, bootS) })));
    const tell = ({ update, bootS, least, lost, rolledBack }: (typeof found)[number]) =>
      `${update.count} instances, ${bootS} s: ${rolledBack ?? "done"}, least ${least} of ${update.minInService}, ${lost} s of lost requests`;
    const wrong = found.filter(({ rolledBack, lost, least, update }) => rolledBack || lost > 0 || least < update.minInService);
    expect(wrong.map(tell)).toEqual([]);
  });

  describe("is found wrong", () => {
    const [update] = updatesOf({ batch: 1, surge: true, health: HEALTHS[1] as object, drain: "1m" }) as [Update];

    it("when nothing holds an instance back from the balancer: what boots is unhealthy for it", () => {
      const without = { ...update, launchHook: undefined };
      expect(simulate(without, 10 * MINUTE_S)).toMatchObject({ rolledBack: "alarm" });
      expect(simulate({ ...without, alarm: undefined }, 10 * MINUTE_S).rolledBack).toBeUndefined();
    });

    it("when a machine signals before the balancer finds it healthy", () => {
      expect(update.minInService).toBe(1);
      expect(simulate({ ...update, waitsForBalancer: false }, MINUTE_S).least).toBe(0);
    });

    it("when the app is stopped as soon as the metadata service has told of the end", () => {
      expect(simulate({ ...update, stopsAfterS: () => 2 }, MINUTE_S).lost).toBeGreaterThan(0);
    });

    it("when nobody completes the launch hook in its time, or nobody signals in time", () => {
      expect(simulate({ ...update, launchHook: { heartbeatS: MINUTE_S } }, 2 * MINUTE_S).rolledBack).toBe("abandoned");
      expect(simulate({ ...update, pauseS: MINUTE_S }, 2 * MINUTE_S).rolledBack).toBe("pause");
    });
  });
});
