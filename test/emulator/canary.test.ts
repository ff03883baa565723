// A canary on the emulator: fleets, shares and the way back are CloudFormation's; what CloudWatch counts is told by the test, in a time of its own.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { leased } from "../../src/targets/aws/lease.ts";
import { deploy, resumeRollout } from "../../src/targets/aws/operations/deploy.ts";
import { openAccount } from "../../src/targets/aws/releases/account/driver.ts";
import type { ReleaseContext } from "../../src/targets/aws/releases/driver.ts";
import { observeRunning } from "../../src/targets/aws/running.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { type Machines, playMachines } from "./machines.ts";
import { onEmulator } from "./suite.ts";

const APP: AppInput = {
  ...SMALL,
  services: { web: { ...SMALL.services.web, instances: { min: 1, max: 1 } } as AppInput["services"][string] },
  rollout: { strategy: "canary", canary: { weights: ["10%", "40%"], step: "2m", timeout: "10m" } },
};

onEmulator("a canary on the emulator", (world) => {
  let folder: string;
  let machines: Machines;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "landfall-canary-"));
    machines = playMachines(world.stage.account, world.emulator.port);
  });
  afterEach(async () => {
    await machines.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Rolled {
    /** Of the canary, in a thousand requests a minute. */
    failures: number;
    /** As a machine that goes off when the first minute is asked for. */
    isCutOff?: boolean;
    act?: (context: ReleaseContext) => Promise<unknown>;
  }

  const roll = (text: string, failures: number) => {
    writeFileSync(join(folder, "server.js"), text);
    return play({ failures });
  };

  /** Notes the shares that requests were led by whenever a minute is asked for. */
  async function play({ failures, isCutOff = false, act = (context) => deploy(context, { dirty: true }) }: Rolled): Promise<{ shares: Set<string> }> {
    const shares = new Set<string>();
    const cut = new AbortController();
    let ahead = 0;
    const clock = {
      now: () => Date.now() + ahead,
      sleep: async (ms: number) => {
        // Minutes of waiting for CloudWatch pass at once; looks at CloudFormation take their time.
        if (ms < 10_000) return new Promise<void>((resolve) => setTimeout(resolve, Math.min(ms, 50)));
        ahead += ms;
      },
    };
    const context = world.stage.context(APP, { folder, clock, signal: cut.signal });
    const own = await context.clients.cloudWatch();
    const getMetricData = async (input: { MetricDataQueries: { Id: string; MetricStat: { Metric: { Dimensions: { Value: string }[] } } }[] }) => {
      if (isCutOff) {
        cut.abort(new Error("cut off"));
        throw cut.signal.reason;
      }
      const running = (await observeRunning(world.stage.context(APP))).web ?? {};
      shares.add(
        Object.entries(running)
          .map(([slot, { weight, instances }]) => `${slot}x${instances?.min ?? "all"}@${weight}`)
          .join(" "),
      );
      const target = input.MetricDataQueries[0]?.MetricStat.Metric.Dimensions[1]?.Value;
      const isCanary = target === (await canaryTarget());
      const values: Record<string, number> = { requests: 1000, failures: isCanary ? failures : 1, broken: 0 };
      return { MetricDataResults: input.MetricDataQueries.map(({ Id }) => ({ Id, Values: [values[Id] ?? 0.04] })) };
    };
    const clients = { ...context.clients, cloudWatch: async () => Object.assign(Object.create(own), { getMetricData }) };
    const counted = { ...context, clients };
    await leased(counted, "deploy", async () => act(await openAccount(counted)));
    return { shares };
  }

  const canaryTarget = async () => {
    const arn = (await world.stage.stacks(APP)).get("hello-production-service-web")?.outputs.WebGreenTargetGroup ?? "";
    return arn.slice(arn.indexOf("targetgroup/"));
  };
  const running = async () =>
    Object.entries((await observeRunning(world.stage.context(APP))).web ?? {}).map(
      ([slot, { release, weight }]) => `${slot}=${release}@${weight ?? "all"}`,
    );

  it("gets its shares step by step, and then all, when it is as good as its baseline", async () => {
    await world.stage.commission(APP);
    await roll("one", 1);
    const [before] = await running();
    const { shares } = await roll("two", 1);
    expect([...shares]).toEqual(["bluexall@799 greenx1@100 baselinex1@100", "bluexall@199 greenx1@400 baselinex1@400"]);
    const after = await running();
    expect(after).toEqual([expect.stringMatching(/^green=[0-9a-f]{10}@all$/)]);
    expect(after[0]?.slice(6)).not.toBe(before?.slice(5));
  });

  it("that was cut off is tried again, also when it is as large as the whole fleet", async () => {
    await world.stage.commission(APP);
    await roll("one", 1);
    await world.stage.open(APP, folder).scale({ web: 1 });
    const before = await running();
    writeFileSync(join(folder, "server.js"), "two");
    await expect(play({ failures: 100, isCutOff: true })).rejects.toThrow("cut off");
    expect(await running()).toHaveLength(3);
    await expect(play({ failures: 100, act: resumeRollout })).rejects.toMatchObject({ code: "CANARY_WORSE" });
    expect(await running()).toEqual(before);
  });

  it("is taken away again when it fails more often, and nothing else is changed", async () => {
    await world.stage.commission(APP);
    await roll("one", 1);
    const before = await running();
    await expect(roll("two", 100)).rejects.toMatchObject({ code: "CANARY_WORSE" });
    expect(await running()).toEqual(before);
    const { Reservations = [] } = await (await world.stage.context(APP).clients.ec2()).describeInstances({
      Filters: [{ Name: "instance-state-name", Values: ["running", "pending"] }],
    });
    expect(Reservations.flatMap(({ Instances = [] }) => Instances)).toHaveLength(1);
    expect((await world.stage.open(APP, folder).status()).unfinished).toBeUndefined();
  });
});
