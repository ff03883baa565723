// The small decisions about containers: schedules, percentages, the kind of a fleet, routes that need a proxy.
import { describe, expect, test } from "vitest";
import type { AppInput } from "../../../../src/config/schema.ts";
import { percentages } from "../../../../src/targets/aws/stacks/containers.ts";
import { eventBridgeCron } from "../../../../src/targets/aws/stacks/cron.ts";
import { makeStacks } from "../../../../src/targets/aws/stacks/index.ts";
import { CONTAINERS, production, runningIn, SMALL } from "./apps.ts";

test.each([
  ["15 3 * * *", "15 3 * * ? *"],
  ["*/5 * 1,15 jan *", "*/5 * 1,15 JAN ? *"],
  ["0 9 * * 1-5", "0 9 ? * 2,3,4,5,6 *"],
  ["0 9 * * 5-7", "0 9 ? * 1,6,7 *"],
  ["0 9 * * mon,SUN", "0 9 ? * 1,2 *"],
  ["0 9 * * */2", "0 9 ? * 1,3,5,7 *"],
  ["0 9 * * 5#2", "0 9 ? * 6#2 *"],
  ["0 9 * * 5#L", "0 9 ? * 6L *"],
])("%s is %s to EventBridge", (schedule, expected) => expect(eventBridgeCron(schedule)).toBe(expected));

describe("a rollout always has room for one more or one less", () => {
  const healthy = { healthy: { least: 75, most: 150 } };
  test("as the configuration says", () => expect(percentages(healthy, true, 4)).toEqual({ minimumHealthyPercent: 75, maximumPercent: 150 }));
  test("with one task a second may come", () => expect(percentages(healthy, true, 1)).toEqual({ minimumHealthyPercent: 75, maximumPercent: 200 }));
  test("without surge the only one goes first", () =>
    expect(percentages(healthy, false, 1)).toEqual({ minimumHealthyPercent: 0, maximumPercent: 100 }));
  test("whatever is written", () => {
    for (const surge of [true, false])
      for (const least of [1, 50, 75, 99, 100])
        for (const most of [100, 101, 150, 200])
          for (const tasks of [0, 1, 2, 3, 4, 7, 100]) {
            const { minimumHealthyPercent, maximumPercent } = percentages({ healthy: { least, most } }, surge, tasks);
            const [number, at] = [Math.max(1, tasks), `${least} ${most} ${tasks} ${surge}`];
            expect(Math.floor((number * maximumPercent) / 100), at).toBeGreaterThan(Math.ceil((number * minimumHealthyPercent) / 100));
          }
  });
});

test("machines that run are not replaced by containers in one place", () => {
  const app = production({ ...SMALL, services: { web: { command: "node server.js", port: 3000, container: {} } } });
  expect(() => makeStacks(app, runningIn(production(SMALL)))).toThrow('service "web" of environment "production" runs as machines');
  expect(() => makeStacks(production(SMALL), runningIn(app))).toThrow('service "web" of environment "production" runs as containers');
});

test("a read-only user that nothing would make is refused", () => {
  const { scheduler: _, ...services } = CONTAINERS.services;
  expect(() => makeStacks(production({ ...CONTAINERS, services }))).toThrow('database "database" has a read-only user');
  const resources = { ...CONTAINERS.resources, database: { type: "postgres" as const, readOnlyUser: false } };
  expect(() => makeStacks(production({ ...CONTAINERS, services, resources }))).not.toThrow();
});

test("a route that needs a proxy is refused where there is none", () => {
  const app: AppInput = { ...CONTAINERS, routes: [{ path: "/admin/*", basicAuth: { user: "admin", password: "ADMIN" } }] };
  expect(() => makeStacks(production(app))).toThrow('route 1 asks for a password, and service "web" runs as containers');
});
