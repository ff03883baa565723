// What stands beside the release that serves, and what a deploy says and refuses, through the built command.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import type { CommissionReport, DeployReport, Plan, RecordedEvent, Status } from "../../src/index.ts";
import { codeOf } from "./faulty-stage.ts";
import { change, makeSandbox } from "./sandbox.ts";

const sandbox = makeSandbox();
afterAll(() => sandbox.dispose());

interface Shape {
  service?: string;
  instances?: number | { min: number; max: number };
  rollout?: Record<string, unknown>;
  resources?: Record<string, unknown>;
}

function makeApp(name: string) {
  const folder = sandbox.copyApp("test/fixtures/apps/unsteady", name);
  const run = (...args: string[]) => sandbox.run(folder, ...args);
  return {
    run,
    report: async <T>(...args: string[]): Promise<T> => {
      const { code, stdout, stderr } = await run(...args, "--json");
      if (code !== 0) throw new Error(stderr);
      return JSON.parse(stdout) as T;
    },
    configure({ service = "web", instances = 1, rollout = {}, resources = {} }: Shape): void {
      const health = { path: "/health", interval: "200ms", steadyFor: "3s" };
      const app = { name, services: { [service]: { command: "exec node web.js", port: 8080, instances, health } }, rollout, resources };
      writeFileSync(
        join(folder, "landfall.config.ts"),
        `import { defineApp } from "landfall";\n\nexport default defineApp(${JSON.stringify(app)});\n`,
      );
    },
    release: (web: string) => change(folder, "mode.json", JSON.stringify({ number: Math.random(), web })),
  };
}

it("the way back stays through a scale-out and a failed deploy, and through a new name of the service", async () => {
  const { run, report, configure, release } = makeApp("soaks");
  const deploy = async (web: string) => {
    release(web);
    return report<DeployReport>("deploy", "local");
  };
  const warm = async () =>
    (await report<Status>("status", "local")).services.flatMap(({ instances }) =>
      instances.filter(({ state }) => state === "warm").map(({ service, release }) => `${service} ${release}`),
    );
  const soaking = { strategy: "blueGreen", soak: "10m" };
  configure({ instances: { min: 1, max: 3 }, rollout: soaking });
  const { address } = await report<CommissionReport>("commission", "local");
  const one = await deploy("steady");
  const two = await deploy("steady");
  expect(await warm()).toEqual([`web ${one.release}`]);

  await run("scale", "local", "web=2");
  expect(await warm()).toEqual([`web ${one.release}`]);

  release("dies");
  const failed = await run("deploy", "local");
  expect(codeOf(failed)).toBe("INSTANCE_CRASHED");
  // It was watched before any requests moved.
  expect(failed.stderr).toMatch(/took none and was stopped/);
  expect(await warm()).toEqual([`web ${one.release}`]);

  // Under a new name there is nothing to be compared with; and no more than the configuration allows by now.
  configure({ service: "site", instances: { min: 1, max: 1 }, rollout: { ...soaking, strategy: "canary" } });
  release("steady");
  const renamed = await run("deploy", "local");
  expect(renamed.stdout + renamed.stderr).toContain('service "site" is new under this name: no canary of it is tried');
  expect((await report<RecordedEvent[]>("events", "local")).map(({ type }) => type)).toContain("untried");
  expect((await report<Status>("status", "local")).unfinished).toBeUndefined();
  const back = await report<DeployReport>("rollback", "local");
  expect(back.release).toBe(two.release);
  expect(back.durationMs).toBeLessThan(two.durationMs);
  expect(await (await fetch(address)).text()).toBe(`release ${two.release}\n`);
});

it("a number that was set stays within what the configuration allows", async () => {
  const { run, report, configure, release } = makeApp("bounded");
  configure({ instances: { min: 1, max: 5 } });
  release("steady");
  await report("commission", "local");
  await report("deploy", "local");
  await run("scale", "local", "web=4");
  configure({ instances: { min: 1, max: 2 } });
  release("steady");
  const { stdout, stderr } = await run("deploy", "local");
  expect(stdout + stderr).toContain("web: 2 instances, and not the 4 that were set, since the configuration allows no other number");
  expect((await report<Status>("status", "local")).services).toMatchObject([{ wanted: 2, healthy: 2 }]);
});

it("a deploy refuses resources that were not commissioned, and a plan says what to do first", async () => {
  const { run, report, configure, release } = makeApp("changed");
  configure({});
  release("steady");
  await report("commission", "local");
  await report("deploy", "local");
  expect((await report<Plan>("plan", "local")).next).toBe("deploy");

  configure({ resources: { jobs: { type: "queue" }, database: { type: "postgres", url: "postgres://app:one@127.0.0.1:1/app" } } });
  release("steady");
  expect((await run("plan", "local")).stdout).toContain("Next: landfall commission local");
  const refused = await run("deploy", "local");
  expect(codeOf(refused)).toBe("ENVIRONMENT_NOT_COMMISSIONED");
  expect(refused.stderr).toMatch(/resource jobs +does not stand yet\n +resource database +does not stand yet/);
  expect(refused.stderr).toContain("Nothing was changed.\n  Next: landfall commission local");
  expect((await report<Status>("status", "local")).unfinished).toBeUndefined();
});
