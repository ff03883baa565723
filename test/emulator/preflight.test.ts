// What an account is asked before anything is made: that a clean one gives no finding, that what would fail is named, and that nothing of it stays.
import { expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import type { PreflightReport } from "../../src/reports.ts";
import { FULL, SMALL } from "../targets/aws/templates/apps.ts";
import { observeInventory } from "./inventory.ts";
import { onEmulator } from "./suite.ts";

/** The full example where these credentials are of, and nothing that only a real account has. */
const WHOLE: AppInput = {
  ...FULL,
  environments: { production: { ...FULL.environments?.production, target: "aws", account: undefined, budget: undefined } },
};

const findings = ({ answers }: PreflightReport) => answers.flatMap((answer) => answer.findings);
const unasked = ({ answers }: PreflightReport) => answers.flatMap((answer) => answer.unasked);

onEmulator("a preflight", (world) => {
  const inventory = () => observeInventory(world.stage.context(SMALL));

  it("of a clean account finds nothing, says what it cannot ask yet, and leaves nothing", async () => {
    const empty = await inventory();
    const report = await world.stage.open(WHOLE).preflight();
    expect(findings(report)).toEqual([]);
    expect(unasked(report)).toContainEqual(expect.stringMatching(/^the account does not say how much of it may run: /));
    expect(unasked(report)).toContainEqual(expect.stringMatching(/^stack .*-edge: it needs what other stacks give, which do not stand yet$/));
    expect(await inventory()).toEqual(empty);
    expect((await world.stage.stacks(WHOLE)).size).toBe(0);
  });

  it("of an environment that stands changes nothing of it", async () => {
    await world.stage.commission(SMALL);
    const before = await inventory();
    const report = await world.stage
      .open({ ...SMALL, services: { web: { command: "node server.js", port: 3000, health: { path: "/up" } } } })
      .preflight();
    expect(findings(report)).toEqual([]);
    expect(unasked(report)).toEqual([expect.stringMatching(/^the account does not say/)]);
    expect(await inventory()).toEqual(before);
    expect((await world.stage.commission(SMALL)).changed).toBe(false);
  });

  it("names what CloudFormation would refuse, and how many vCPUs are missing, and leaves nothing", async () => {
    const empty = await inventory();
    world.emulator.setVcpus(5);
    world.emulator.setRules([{ when: "validate", logicalId: "Topic", property: "Name", fail: "#: extraneous key [Nam] is not permitted" }]);
    const report = await world.stage.open({ ...SMALL, services: { web: { command: "node server.js", port: 3000, instances: 2 } } }).preflight();
    expect(findings(report)).toEqual([
      {
        what: 'CloudFormation does not accept resource "Topic" (AWS::SNS::Topic) of stack "hello-production-alarms"',
        why: 'property "Name" of "Topic": #: extraneous key [Nam] is not permitted',
      },
      {
        what: "up to 6 vCPUs at once on demand, 4 of them all the time, and the account may run 5",
        next: "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-1216C47A --region eu-central-1 --desired-value 6",
      },
    ]);
    expect(await inventory()).toEqual(empty);
  });

  const SHORT = expect.objectContaining({ what: "up to 4 vCPUs at once on demand, 2 of them all the time, and the account may run 1" });
  const cannotStart = (type: string, gib: number) => ({
    what: `no ${type} with a disk of ${gib} GB can be started`,
    why: expect.stringMatching(
      /^You have requested more vCPU capacity than your current vCPU limit of 1 .*\nThe account has as many of these as AWS allows it/s,
    ),
  });

  it("counts vCPUs itself, since EC2 answers a dry run before it counts", async () => {
    world.emulator.setVcpus(1);
    expect(findings(await world.stage.open(SMALL).preflight())).toEqual([SHORT]);
  });

  it("names the machines as well, where EC2 refuses a dry run for its quota", async () => {
    world.emulator.setVcpus(1, { inDryRuns: true });
    const report = await world.stage.open(SMALL).preflight();
    expect(findings(report)).toEqual([cannotStart("t4g.medium", 10), cannotStart("t4g.small", 10), SHORT]);
  });
});
