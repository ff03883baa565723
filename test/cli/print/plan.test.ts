import { describe, expect, it } from "vitest";
import { describePlan } from "../../../src/cli/print/plan.ts";
import type { Plan } from "../../../src/plan/plan.ts";

const plain = { paint: (_: unknown, text: string) => text };
const base: Plan = {
  app: "shop",
  environment: "production",
  target: "aws",
  exists: true,
  changes: [],
  next: "deploy",
  unchanged: 60,
  drift: [],
  notes: [],
};

describe("a plan", () => {
  it("says that there is nothing to do", () => {
    expect(describePlan(base, plain)).toBe("shop production  nothing to change: 60 things as configured");
  });

  it("sums up what is new, and says of the rest what is different and what is lost", () => {
    const plan: Plan = {
      ...base,
      changes: [
        { of: "service web", kind: "alarm", name: "A", action: "add", differences: [] },
        { of: "service web", kind: "alarm", name: "B", action: "add", differences: [] },
        {
          of: "service web",
          kind: "fleet",
          name: "BlueGroup",
          action: "change",
          differences: [
            { property: "MinSize", before: "1", after: "2" },
            { property: "LaunchTemplate", because: "launch template BlueTemplate is changed" },
          ],
          effect: "its instances are replaced, batch by batch",
        },
        {
          of: "resource database",
          kind: "database",
          name: "DatabaseDatabase",
          action: "replace",
          differences: [{ property: "StorageEncrypted", before: "false", after: "true" }],
          data: "its data is kept as a final snapshot, and the new one is empty",
          confirm: "DatabaseDatabase",
        },
        { of: "resource jobs", kind: "queue", name: "JobsQueue", action: "remove", differences: [], data: "its data is lost" },
        { of: "resource jobs", kind: "queue policy", name: "JobsQueuePolicy", action: "remove", differences: [] },
        { of: "resource jobs", kind: "secret", name: "JobsLogin", action: "remove", differences: [], effect: "the password in it goes with it" },
      ],
      release: { before: "4be01977", after: "7f3c2a1b", description: "commit 7f3c2a1 “Greet”", note: "its image has to be made first" },
      drift: [{ of: "balancer", kind: "listener", name: "Https", differences: [{ property: "Port", before: "443", after: "8443" }] }],
      notes: ["account 123456789012, region eu-central-1"],
    };
    expect(describePlan(plan, plain)).toBe(`shop production  2 to add, 1 to change, 1 to replace, 3 to remove, 60 unchanged

service web
  + 2 × alarm
  ~ fleet BlueGroup
      min size (MinSize): 1 → 2
      launch template (LaunchTemplate): another one, because launch template BlueTemplate is changed
      its instances are replaced, batch by batch

resource database
  ± database DatabaseDatabase  is replaced by a new one
      storage encrypted (StorageEncrypted): false → true
      its data is kept as a final snapshot, and the new one is empty; commission asks for --confirm-replace DatabaseDatabase

resource jobs
  - queue JobsQueue  is removed
      its data is lost
  - secret JobsLogin  is removed
      the password in it goes with it
  - queue policy

release  4be01977 → 7f3c2a1b  commit 7f3c2a1 “Greet”  its image has to be made first
  Next: landfall deploy production

changed by hand, not by Landfall
  balancer: listener Https
    Port: made as 443, is now 8443

note: account 123456789012, region eu-central-1`);
  });

  it("of a new environment says so, and one by one when asked", () => {
    const plan: Plan = {
      ...base,
      exists: false,
      unchanged: 0,
      changes: [{ of: "network", kind: "NAT gateway", name: "NatGatewayA", action: "add", differences: [] }],
    };
    expect(describePlan(plan, { ...plain, verbose: true })).toBe("shop production  is new: 1 to add\n\nnetwork\n  + NAT gateway NatGatewayA");
  });
});

describe("what it costs", () => {
  it("is shown before and after, each line with what is taken for granted, and what is unknown as unknown", () => {
    const machines = { of: "service web", what: "1 to 3 machines t4g.small", unit: "hour", price: 0.02, assumption: "730 hours a month" };
    const plan: Plan = {
      ...base,
      cost: {
        currency: "USD",
        prices: "prices of 2026-11-21",
        before: { lines: [{ ...machines, units: { min: 730, max: 730 } }], uses: [] },
        after: {
          lines: [
            { ...machines, units: { min: 730, max: 2190 } },
            { of: "resource cache", what: "1 node cache.x9.large", units: { min: 730, max: 730 }, unit: "hour", assumption: "730 hours a month" },
          ],
          uses: [
            { of: "network", what: "through the NAT gateways", unit: "GB", price: 0.052 },
            { of: "service web", what: "logs", unit: "GB", price: 0.63, doubt: "not verified" },
            { of: "service api", what: "logs", unit: "GB", price: 0.63, doubt: "not verified" },
          ],
        },
        once: [{ of: "image", what: "a builder", units: { min: 0.25, max: 0.25 }, unit: "hour", price: 0.04, assumption: "a quarter of an hour" }],
        budget: 100,
      },
    };
    expect(describePlan(plan, plain)).toBe(`shop production  nothing to change: 60 things as configured

cost  14.60 USD → 14.60 to 43.80 USD a month, and what has no known price
  service web     1 to 3 machines t4g.small  14.60 to 43.80 USD  730 hours a month
  resource cache  1 node cache.x9.large      price unknown       730 hours a month
  once
  image  a builder  0.01 USD  a quarter of an hour
  by use, not counted
  through the NAT gateways  0.052 USD a GB
  logs                      0.63 USD a GB (not verified)
  budget  100.00 USD a month, with every fleet that scales at its largest
  prices of 2026-11-21`);
  });
});
