// What changes where or how the balancer asks, in an environment that serves: no rule leads to nobody at any moment, and no target group is left
// behind. A target group has one port for good; one that a rule leads to cannot be deleted (targets.py).
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { observeTemplate } from "../../src/targets/aws/cloudformation/describe-stacks.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { type Engine, installEngine } from "./engine.ts";
import { type Machines, playMachines } from "./machines.ts";
import { onEmulator } from "./suite.ts";

type Service = AppInput["services"][string];

const CHANGES: [what: string, service: Partial<Service>, app?: Partial<AppInput>][] = [
  ["the port that its proxy had", { port: 8080 }],
  ["another port", { port: 4000 }],
  ["a first header", {}, { routes: [{ headers: { "x-content-type-options": "nosniff" } }] }],
  ["a first password", {}, { routes: [{ path: "/admin/*", basicAuth: { user: "admin", password: "PASSWORD" } }] }],
  ["a first drain route", { drain: { ask: "/leaving", start: "/leave" } }],
  ["another health check", { health: { path: "/ready", interval: "20s" } }],
];

onEmulator("a service that serves and is asked otherwise", (world) => {
  let folder: string;
  let machines: Machines;
  let engine: Engine;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "landfall-ports-"));
    writeFileSync(join(folder, "server.js"), "one\n");
    engine = installEngine();
    machines = playMachines(world.stage.account, world.emulator.port);
  });
  afterEach(async () => {
    await machines.stop();
    engine.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const outages = async () => {
    const body = new URLSearchParams({ Action: "DescribeOutages", Version: "2015-12-01" });
    const authorization = `AWS4-HMAC-SHA256 Credential=${world.stage.account}/20260101/eu-central-1/elasticloadbalancing/aws4_request, SignedHeaders=host, Signature=0`;
    const answer = await fetch(`http://127.0.0.1:${world.emulator.port}/`, { method: "POST", body, headers: { authorization } });
    if (!answer.ok) throw new Error(await answer.text());
    return [...(await answer.text()).matchAll(/<member>(.*?)<\/member>/g)].map(([, text]) => text);
  };
  /** Target groups that no stack has. */
  const leftovers = async (input: AppInput) => {
    const context = world.stage.context(input);
    const { TargetGroups = [] } = await (await context.clients.balancing()).describeTargetGroups({});
    const stacks = [...(await world.stage.stacks(input)).values()].filter(({ tags }) => tags["landfall:service"] !== undefined);
    const drawn = await Promise.all(stacks.map(async (stack) => Object.values((await observeTemplate(context.clients, stack))?.Resources ?? {})));
    return TargetGroups.length - drawn.flat().filter(({ Type }) => Type === "AWS::ElasticLoadBalancingV2::TargetGroup").length;
  };

  const withWeb = (web: Partial<Service>, app: Partial<AppInput> = {}): AppInput => ({
    ...SMALL,
    ...app,
    services: { web: { command: "node server.js", port: 3000, instances: 2, ...web } },
  });

  it.each(["rolling", "blueGreen"] as const)("on machines, %s", async (strategy) => {
    const rollout = { strategy, soak: "1m" } as const;
    const before = withWeb({}, { rollout });
    await world.stage.commission(before);
    await world.stage.open(before, folder).secrets().set({ PASSWORD: "correct horse" });
    const { release } = await world.stage.open(before, folder).deploy({ dirty: true });
    for (const [what, web, app] of CHANGES) {
      const after = withWeb(web, { ...app, rollout });
      expect(await world.stage.open(after, folder).deploy({ dirty: true }), what).toMatchObject({ changed: true });
      expect([await outages(), await leftovers(after)], what).toEqual([[], 0]);
      await world.stage.open(after, folder).rollback({ to: release });
      expect([await outages(), await leftovers(after)], `back from ${what}`).toEqual([[], 0]);
    }
  });

  it("on machines whose new ones do not come up", async () => {
    const before = withWeb({});
    const after = withWeb({ port: 8080 });
    await world.stage.commission(before);
    await world.stage.open(before, folder).deploy({ dirty: true });
    const failing = { type: "AWS::AutoScaling::AutoScalingGroup", fail: "Received 1 FAILURE signal(s)", times: 1 } as const;
    world.emulator.setRules([
      { when: "create", ...failing },
      { when: "update", ...failing },
    ]);
    await expect(world.stage.open(after, folder).deploy({ dirty: true })).rejects.toMatchObject({ code: "STACK_FAILED" });
    world.emulator.setRules([]);
    expect([await outages(), await leftovers(after)]).toEqual([[], 0]);
  });

  it.each(["rolling", "blueGreen"] as const)("in containers, %s", async (strategy) => {
    const rollout = { strategy, soak: "1m" } as const;
    const as = (web: Partial<Service>) => withWeb({ container: {}, ...web }, { rollout });
    await world.stage.commission(as({}));
    const { release } = await world.stage.open(as({}), folder).deploy({ dirty: true });
    for (const [what, web] of CHANGES.slice(0, 2)) {
      await world.stage.open(as(web), folder).deploy({ dirty: true });
      expect([await outages(), await leftovers(as(web))], what).toEqual([[], 0]);
      await world.stage.open(as(web), folder).rollback({ to: release });
      expect([await outages(), await leftovers(as(web))], `back from ${what}`).toEqual([[], 0]);
    }
  });
});
