// The small decisions about containers: schedules, percentages, the kind of a fleet, routes that need a proxy.
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import type { AppInput } from "../../../../../src/config/schema.ts";
import { percentages } from "../../../../../src/targets/aws/templates/compute/containers.ts";
import { eventBridgeCron } from "../../../../../src/targets/aws/templates/compute/cron.ts";
import { makeStacks } from "../../../../../src/targets/aws/templates/index.ts";
import { requires } from "../../../../skips.ts";
import { CONTAINERS, production, runningIn, SMALL } from "../apps.ts";

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
  const healthy = { minHealthy: 75, maxHealthy: 150 };
  test("as the configuration says", () => expect(percentages(healthy, true, 4)).toEqual({ minimumHealthyPercent: 75, maximumPercent: 150 }));
  test("with one task a second may come", () => expect(percentages(healthy, true, 1)).toEqual({ minimumHealthyPercent: 75, maximumPercent: 200 }));
  test("without surge the only one goes first", () =>
    expect(percentages(healthy, false, 1)).toEqual({ minimumHealthyPercent: 0, maximumPercent: 100 }));
  test("whatever is written", () => {
    for (const surge of [true, false])
      for (const least of [1, 50, 75, 99, 100])
        for (const most of [100, 101, 150, 200])
          for (const tasks of [0, 1, 2, 3, 4, 7, 100]) {
            const { minimumHealthyPercent, maximumPercent } = percentages({ minHealthy: least, maxHealthy: most }, surge, tasks);
            const [number, at] = [Math.max(1, tasks), `${least} ${most} ${tasks} ${surge}`];
            expect(Math.floor((number * maximumPercent) / 100), at).toBeGreaterThan(Math.ceil((number * minimumHealthyPercent) / 100));
          }
  });
});

test("machines that run are not replaced by containers in one place", () => {
  const deployment = production({ ...SMALL, services: { web: { command: "node server.js", port: 3000, container: {} } } });
  expect(() => makeStacks(deployment, runningIn(production(SMALL)))).toThrow('service "web" of environment "production" runs as machines');
  expect(() => makeStacks(production(SMALL), runningIn(deployment))).toThrow('service "web" of environment "production" runs as containers');
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
  const denies = (route: object) => () => makeStacks(production({ ...CONTAINERS, routes: [route] }));
  expect(denies({ path: "/admin/*", deny: true })).toThrow('route 1 denies it in other spellings, and service "web" runs as containers');
  expect(denies({ host: "admin.example.com", deny: true })).toThrow("route 1 denies it in other spellings");
  expect(denies({ deny: true })).not.toThrow();
});

const canUnshare = spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"]).status === 0;
requires("the right to make a process namespace", canUnshare)("what ECS asks a task before it counts it", () => {
  const checksOf = (steadyFor: "6s" | "0s" | "30m") => {
    const { web } = CONTAINERS.services;
    const deployment = production({ ...CONTAINERS, services: { ...CONTAINERS.services, web: { ...web, health: { steadyFor } } } });
    const bodies = makeStacks(deployment, runningIn(deployment)).map(({ body }) => JSON.parse(body) as { Resources: Record<string, Drawn> });
    const tasks = bodies.flatMap(({ Resources }) => Object.values(Resources).filter(({ Type }) => Type === "AWS::ECS::TaskDefinition"));
    return Object.fromEntries(tasks.map(({ Properties }) => [Properties.Family, Properties.ContainerDefinitions?.[0]?.HealthCheck]));
  };
  const WEB = "scalable-production-service-web";

  test.each(["dash", "bash"])("is whether its first process has run for the window (%s)", (shell) => {
    const command = checksOf("6s")[WEB]?.Command[1] as string;
    // As in a container: process 1 of its namespace is the first one.
    const script = `${shell} -c '${command}'; echo $?; sleep 6.1; ${shell} -c '${command}'; echo $?`;
    const { stdout, stderr } = spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "sh", "-c", script], { encoding: "utf8" });
    expect({ stdout, stderr }).toEqual({ stdout: "1\n0\n", stderr: "" });
  });

  test("has numbers that ECS takes, and time for the longest window", () => {
    const check = checksOf("30m")[WEB];
    expect(check).toMatchObject({ Interval: 300, Retries: 10, StartPeriod: 300, Timeout: 60 });
    expect((check?.StartPeriod ?? 0) + (check?.Interval ?? 0) * (check?.Retries ?? 0)).toBeGreaterThan(1_800);
  });

  test("is nothing where there is no window, and of a job", () => {
    const checks = checksOf("0s");
    expect(Object.keys(checks)).toContain(WEB);
    expect(checks[WEB]).toBeUndefined();
    expect(checks["scalable-production-service-nightly"]).toBeUndefined();
    expect(checks["scalable-production-service-worker"]).toBeDefined();
  });
});

interface Drawn {
  Type: string;
  Properties: {
    Family: string;
    ContainerDefinitions?: { HealthCheck?: Record<"Interval" | "Retries" | "StartPeriod", number> & { Command: string[] } }[];
  };
}
