// What environments cost: by hand for a small one, and by rules for all.
import { describe, expect, test } from "vitest";
import type { AppInput } from "../../../../src/config/schema.ts";
import type { LandfallError } from "../../../../src/error.ts";
import { type CostLine, sumOf } from "../../../../src/plan/cost.ts";
import { costOf, keysOf, refuseAboveCeiling, withFleets } from "../../../../src/targets/aws/prices/cost.ts";
import { estimate, isPriced } from "../../../../src/targets/aws/prices/estimate.ts";
import type { Prices } from "../../../../src/targets/aws/prices/prices.ts";
import { sourcesOf, tablePrices } from "../../../../src/targets/aws/prices/table.ts";
import { makeStacks } from "../../../../src/targets/aws/stacks/index.ts";
import { FULL, production, runningIn, SMALL } from "../stacks/apps.ts";

const frankfurt = tablePrices("eu-central-1");
const namesOf = (app: ReturnType<typeof production>) => ({ app: app.app.name, environment: "production", resources: Object.keys(app.app.resources) });

function costOfInput(input: AppInput, prices: Prices = frankfurt) {
  const app = production(input);
  return costOf({ app, names: namesOf(app), before: [], after: makeStacks(app, withFleets(app, {})), prices });
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
      "alerts: key, 1-1 at 1",
      "balancer: balancer, 730-730 at 0.027",
      "balancer: capacity units of the balancer, 730-730 at 0.008",
      "balancer: 2 × public addresses, 1460-1460 at 0.005",
      expect.stringMatching(/^balancer: \d+ × alarms, \d+-\d+ at 0.1$/),
      expect.stringMatching(/^service web: \d+ × alarms, \d+-\d+ at 0.1$/),
      "service web: machines t4g.small, 730-730 at 0.0192",
      "service web: 10 GB of disks, 10-10 at 0.0952",
      "service web: public addresses, 730-730 at 0.005",
    ]);
    const { min, max, unknown } = sumOf(after.lines);
    expect(unknown).toEqual([]);
    expect([min, max]).toEqual([max, expect.closeTo(1 + 730 * (0.027 + 0.008 + 0.01 + 0.0192 + 0.005) + 0.952 + 0.1 * alarmsOf(after.lines), 6)]);
  });

  test("counts instances before the first deploy, because they come with it", () => {
    const app = production(SMALL);
    const bare = estimate(makeStacks(app), frankfurt, namesOf(app));
    expect(brief(bare.lines).some((line) => line.includes("machines"))).toBe(false);
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
    expect(find("machines m7g.large")).toMatchObject({
      of: "service web",
      units: { min: 3 * 730, max: 12 * 730 },
      doubt: expect.stringContaining("spare capacity"),
    });
    expect(lines.find(({ of, what }) => of === "service api" && what.includes("machines"))).toMatchObject({ units: { min: 1460, max: 1460 } });
  });

  test("has a gateway and an address for each zone, and says what their traffic costs without counting it", () => {
    expect(find("NAT gateways")).toMatchObject({ of: "network", what: "3 × NAT gateways", units: { min: 2190, max: 2190 }, price: 0.052 });
    expect(costOfInput(FULL).after.uses).toContainEqual(
      expect.objectContaining({ of: "network", what: "through the NAT gateways", unit: "GB", price: 0.052 }),
    );
  });

  test("says of every line what it takes for granted", () => {
    expect(lines.filter(({ assumption }) => assumption === "")).toEqual([]);
  });

  test("names what is paid once: the builder, and fleets that stay warm", () => {
    expect(costOfInput(FULL).once.map(({ of, what }) => `${of}: ${what}`)).toEqual([
      "image: a builder t4g.medium",
      "service web: 3 × machines m7g.large beside the old ones",
      "service api: 2 × machines t4g.small beside the old ones",
    ]);
  });

  test("is the same for what stands as for what is wanted, when those are the same", () => {
    const app = production(FULL);
    const stacks = makeStacks(app, runningIn(app));
    const cost = costOf({ app, names: namesOf(app), before: stacks, after: stacks, prices: frankfurt });
    expect(cost.before).toEqual(cost.after);
  });
});

describe("a price that is not known", () => {
  test("is named and kept out of the sum: in a region that the table lacks", () => {
    const { after, prices } = costOfInput(SMALL, tablePrices("sa-east-1"));
    expect(prices).toContain("does not have sa-east-1");
    expect(sumOf(after.lines)).toMatchObject({ min: 0, unknown: expect.arrayContaining([expect.objectContaining({ what: "balancer" })]) });
  });

  test("is named for a type that nobody thought of", () => {
    const body = JSON.stringify({ Resources: { Thing: { Type: "AWS::New::Thing" } } });
    const { lines } = estimate([{ name: "shop-production-data", body }], frankfurt, { app: "shop", environment: "production", resources: [] });
    expect(sumOf(lines).unknown).toMatchObject([{ what: "AWS::New::Thing" }]);
  });
});

describe("the ceiling", () => {
  const refusal = (input: AppInput, prices?: Prices): LandfallError => {
    try {
      refuseAboveCeiling(production(input), costOfInput(input, prices));
    } catch (error) {
      return error as LandfallError;
    }
    throw new Error("nothing was refused");
  };

  test("lets pass what is below it", () => {
    expect(() => refuseAboveCeiling(production(SMALL), costOfInput(withProduction(SMALL, { costCeiling: 100 })))).not.toThrow();
  });

  test("refuses what may grow above it, with what costs most", () => {
    const { code, exitCode, parts } = refusal(withProduction(SMALL, { costCeiling: 20 }));
    expect([code, exitCode]).toEqual(["COST_ABOVE_CEILING", 3]);
    expect(parts.what).toMatch(/^environment "production" would cost up to 5\d\.\d\d USD a month, and its costCeiling is 20$/);
    expect(parts.evidence?.[0]).toEqual(["balancer", "balancer: 19.71 USD for 730 hours"]);
    expect(parts.standing).toBe("Nothing was changed.");
  });

  test("refuses what nobody can tell", () => {
    const { code, parts } = refusal(withProduction(SMALL, { costCeiling: 20 }), tablePrices("sa-east-1"));
    expect(code).toBe("COST_UNKNOWN");
    expect(parts.evidence).toContainEqual(["service web", "machines t4g.small"]);
  });
});

test("of every type in the templates it is known whether it costs something", () => {
  const app = production(FULL);
  const types = makeStacks(app, runningIn(app)).flatMap(({ body }) => Object.values(JSON.parse(body).Resources as Record<string, { Type: string }>));
  expect([...new Set(types.map(({ Type }) => Type))].filter((type) => !isPriced(type))).toEqual([]);
});

test("the table has a price in each of its regions for all that the full example asks for, and says where each is from", () => {
  const app = production(FULL);
  const keys = keysOf(makeStacks(app, runningIn(app)), namesOf(app));
  for (const region of ["us-east-1", "eu-west-1", "eu-central-1"])
    expect(
      keys.filter((key) => !tablePrices(region).find(key)),
      region,
    ).toEqual([]);
  expect(sourcesOf().every(({ page, checked }) => page.startsWith("https://aws.amazon.com/") && checked !== "")).toBe(true);
});
