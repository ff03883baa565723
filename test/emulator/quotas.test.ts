// A new account: it may run 5 vCPUs at once until it asks for more.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { type Machines, playMachines } from "./machines.ts";
import { onEmulator } from "./suite.ts";

const withInstances = (instances: number): AppInput => ({ ...SMALL, services: { web: { command: "node server.js", port: 3000, instances } } });
const RAISE = "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-1216C47A --region eu-central-1 --desired-value";

onEmulator("an account that may run 5 vCPUs", (world) => {
  let folder: string;
  let machines: Machines | undefined;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "landfall-quotas-"));
    writeFileSync(join(folder, "server.js"), "");
  });
  afterEach(async () => {
    await machines?.stop();
    machines = undefined;
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const planned = async (instances: number) =>
    (await world.stage.open(withInstances(instances), folder).plan()).notes.filter((note) => /vCPU/.test(note));

  it("is told by the plan what is short, and how to raise it", async () => {
    world.emulator.setVcpus(5);
    expect(await planned(1)).toEqual([]);
    // Two of two vCPUs, and one more while they are replaced.
    expect(await planned(2)).toEqual([
      `environment "production" runs up to 6 vCPUs at once on demand, 4 of them all the time, and the account may run 5: ${RAISE} 6`,
    ]);
    world.emulator.setVcpus(6);
    expect(await planned(2)).toEqual([]);
  });

  it("is told that a new account mostly has 5 where its quota cannot be read", async () => {
    expect(await planned(2)).toEqual([
      `environment "production" runs up to 6 vCPUs at once on demand, 4 of them all the time; what the account may run was not learned, and a new one mostly may run 5: ${RAISE} 6`,
    ]);
  });

  it("says which quota it is when a fleet does not get its machines, and when a one-off task does not", async () => {
    world.emulator.setVcpus(5);
    const input = withInstances(3);
    await world.stage.commission(input);
    machines = playMachines(world.stage.account, world.emulator.port);
    const environment = world.stage.open(input, folder);
    await expect(environment.deploy({ dirty: true })).rejects.toMatchObject({
      parts: {
        code: "STACK_FAILED",
        why: expect.stringMatching(/your current vCPU limit of 5 .*\nThe account has as many of these as AWS allows it/),
      },
    });
    world.emulator.setVcpus(1);
    writeFileSync(join(folder, "package.json"), "{}");
    const other: AppInput = { ...input, recipe: { packages: ["jq"] } };
    await expect(world.stage.open(other, folder).deploy({ dirty: true })).rejects.toMatchObject({
      parts: {
        code: "AWS_QUOTA",
        what: 'AWS gives the account no more for "ec2:RunInstances" (VcpuLimitExceeded)',
        why: expect.stringMatching(/^You have requested more vCPU capacity than your current vCPU limit of 1 /),
        next: expect.stringContaining("Service Quotas"),
      },
    });
  });
});
