// What environments cost: by hand for a small one, and by rules for all.
import { describe, expect, test } from "vitest";
import type { AppInput } from "../../../../src/config/schema.ts";
import type { LandfallError } from "../../../../src/error.ts";
import { type CostLine, sumOf } from "../../../../src/plan/cost.ts";
import { assertWithinBudget, costOf, keysOf, withFleets } from "../../../../src/targets/aws/prices/cost.ts";
import { estimate } from "../../../../src/targets/aws/prices/estimate.ts";
import { sourcesOf, tablePrices } from "../../../../src/targets/aws/prices/table.ts";
import type { Prices } from "../../../../src/targets/aws/resource-types/entry/prices.ts";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { FULL, production, runningIn, SMALL } from "../templates/apps.ts";

const frankfurt = tablePrices("eu-central-1");
const namesOf = (deployment: ReturnType<typeof production>) => ({
  app: deployment.app,
  environment: "production",
  resources: Object.keys(deployment.resources),
});

function costOfInput(input: AppInput, prices: Prices = frankfurt) {
  const deployment = production(input);
  return costOf({ deployment, names: namesOf(deployment), before: [], after: makeStacks(deployment, withFleets(deployment, {})), prices });
}

const brief = (lines: CostLine[]) => lines.map(({ of, what, units, price }) => `${of}: ${what}, ${units.min}-${units.max} at ${price}`);
/** Without the environment's own keys, to which the spread adds. */
const withProduction = (input: AppInput, more: Record<string, unknown>): AppInput => ({
  ...input,
  environments: { production: { ...(input.environments?.production as { target: "aws" }), ...more } },
});

describe("the estimate of a small environment", () => {
  test("is what its parts come to", () => {
    const { after, before } = costOfInput(SMALL);
    expect(before).toBeUndefined();
    expect(brief(after.lines)).toEqual([
      "alerts: KMS key, 1-1 at 1",
      "balancer: load balancer, 730-730 at 0.027",
      "balancer: load balancer capacity units, 730-730 at 0.008",
      "balancer: 2 × public IPv4 addresses, 1460-1460 at 0.005",
      expect.stringMatching(/^balancer: \d+ × alarms, \d+-\d+ at 0.1$/),
      expect.stringMatching(/^service web: \d+ × alarms, \d+-\d+ at 0.1$/),
      "service web: instances t4g.small, 730-730 at 0.0192",
      "service web: 10 GB of volumes, 10-10 at 0.0952",
      "service web: public IPv4 addresses, 730-730 at 0.005",
    ]);
    const { min, max, unknown } = sumOf(after.lines);
    expect(unknown).toEqual([]);
    expect([min, max]).toEqual([max, expect.closeTo(1 + 730 * (0.027 + 0.008 + 0.01 + 0.0192 + 0.005) + 0.952 + 0.1 * alarmsOf(after.lines), 6)]);
  });

  test("counts instances before the first deploy, because they come with it", () => {
    const deployment = production(SMALL);
    const bare = estimate(makeStacks(deployment), frankfurt, namesOf(deployment));
    expect(brief(bare.lines).some((line) => line.includes("instances"))).toBe(false);
    expect(sumOf(costOfInput(SMALL).after.lines).min).toBeGreaterThan(sumOf(bare.lines).min + 730 * 0.0192);
  });
});

const alarmsOf = (lines: CostLine[]) => lines.filter(({ what }) => what.endsWith("alarms")).reduce((sum, { units }) => sum + units.max, 0);

describe("the estimate of a whole environment", () => {
  const lines = costOfInput(FULL).after.lines;
  const find = (text: string) => lines.find(({ what }) => what.includes(text)) as CostLine;

  test("has a standby of a database twice, and its disk from its beginning to its most", () => {
    expect(find("database db.m7g.large")).toMatchObject({
      of: "resource database",
      units: { min: 1460, max: 1460 },
      assumption: "730 hours a month, with a standby",
    });
    expect(lines.find(({ of, unit }) => of === "resource database" && unit === "GB and month")).toMatchObject({ units: { min: 200, max: 1000 } });
  });

  test("has a fleet from its least to its most only where something scales it", () => {
    expect(find("instances m7g.large")).toMatchObject({
      of: "service web",
      units: { min: 3 * 730, max: 12 * 730 },
      doubt: expect.stringContaining("spare capacity"),
    });
    expect(lines.find(({ of, what }) => of === "service api" && what.includes("instances"))).toMatchObject({ units: { min: 1460, max: 1460 } });
  });

  test("has a gateway and an address for each zone, and says what their traffic costs without counting it", () => {
    expect(find("NAT gateways")).toMatchObject({ of: "network", what: "3 × NAT gateways", units: { min: 2190, max: 2190 }, price: 0.052 });
    expect(costOfInput(FULL).after.uses).toContainEqual(
      expect.objectContaining({ of: "network", what: "data through the NAT gateways", unit: "GB", price: 0.052 }),
    );
  });

  test("says of every line what it takes for granted", () => {
    expect(lines.filter(({ assumption }) => assumption === "")).toEqual([]);
  });

  test("names what is paid once: the builder, and fleets that stay warm", () => {
    expect(costOfInput(FULL).once.map(({ of, what }) => `${of}: ${what}`)).toEqual([
      "image: a builder t4g.medium",
      "service web: 3 × instances m7g.large beside the old ones",
      "service api: 2 × instances t4g.small beside the old ones",
    ]);
  });

  test("is the same for what stands as for what is wanted, when those are the same", () => {
    const deployment = production(FULL);
    const stacks = makeStacks(deployment, runningIn(deployment));
    const cost = costOf({ deployment, names: namesOf(deployment), before: stacks, after: stacks, prices: frankfurt });
    expect(cost.before).toEqual(cost.after);
  });
});

describe("a price that is not known", () => {
  test("is named and kept out of the sum: in a region that the table lacks", () => {
    const { after, prices } = costOfInput(SMALL, tablePrices("sa-east-1"));
    expect(prices).toContain("does not have sa-east-1");
    expect(sumOf(after.lines)).toMatchObject({ min: 0, unknown: expect.arrayContaining([expect.objectContaining({ what: "load balancer" })]) });
  });

  test("is named for a type that nobody thought of", () => {
    const body = JSON.stringify({ Resources: { Thing: { Type: "AWS::New::Thing" } } });
    const { lines } = estimate([{ name: "shop-production-data", body }], frankfurt, { app: "shop", environment: "production", resources: [] });
    expect(sumOf(lines).unknown).toMatchObject([{ what: "AWS::New::Thing" }]);
  });
});

describe("the budget", () => {
  const refusal = (input: AppInput, prices?: Prices): LandfallError => {
    try {
      assertWithinBudget(production(input), costOfInput(input, prices));
    } catch (error) {
      return error as LandfallError;
    }
    throw new Error("nothing was refused");
  };

  test("lets pass what is below it", () => {
    expect(() => assertWithinBudget(production(SMALL), costOfInput(withProduction(SMALL, { budget: 100 })))).not.toThrow();
  });

  test("refuses what may grow above it, with what costs most", () => {
    const { code, exitCode, parts } = refusal(withProduction(SMALL, { budget: 20 }));
    expect([code, exitCode]).toEqual(["COST_ABOVE_BUDGET", 3]);
    expect(parts.what).toMatch(/^environment "production" would cost up to 5\d\.\d\d USD a month, and its budget is 20$/);
    expect(parts.evidence?.[0]).toEqual(["balancer", "load balancer: 19.71 USD for 730 hours"]);
    expect(parts.standing).toBe("Nothing was changed.");
  });

  test("refuses what nobody can tell", () => {
    const { code, parts } = refusal(withProduction(SMALL, { budget: 20 }), tablePrices("sa-east-1"));
    expect(code).toBe("COST_UNKNOWN");
    expect(parts.evidence).toContainEqual(["service web", "instances t4g.small"]);
  });
});

test("the table has a price in each of its regions for all that the full example asks for, and says where each is from", () => {
  const deployment = production(FULL);
  const keys = keysOf(makeStacks(deployment, runningIn(deployment)), namesOf(deployment));
  for (const region of ["us-east-1", "eu-west-1", "eu-central-1"])
    expect(
      keys.filter((key) => !tablePrices(region).find(key)),
      region,
    ).toEqual([]);
  expect(sourcesOf().every(({ page, checked }) => page.startsWith("https://aws.amazon.com/") && checked !== "")).toBe(true);
});
