import { describe, expect, it } from "vitest";
import type { AppInput } from "../../../../../src/config/schema.ts";
import { LandfallError } from "../../../../../src/error.ts";
import { awsNotes } from "../../../../../src/targets/aws/queries/check-notes.ts";
import { makeStacks } from "../../../../../src/targets/aws/templates/index.ts";
import { production, runningIn } from "../apps.ts";

const many = <T>(count: number, make: (index: number) => T): Record<string, T> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [index === 0 ? "web" : `s${index}`, make(index)]));
const app = (more: Partial<AppInput>): AppInput => ({
  name: "large",
  services: { web: { command: "x", port: 3000 } },
  environments: { production: { target: "aws", region: "eu-central-1", network: { nat: "none" }, notify: ["mailto:a@example.com"] } },
  ...more,
});
const web = (count: number) => many(count, () => ({ command: "x", port: 3000 }));

function refusal(act: () => unknown): LandfallError["parts"] | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof LandfallError) return error.parts;
    throw error;
  }
  return undefined;
}

describe("what no account can have is refused, by check as by what makes templates:", () => {
  it("more target groups than a balancer takes", () => {
    const site = production(app({ services: web(34), rollout: { strategy: "canary" } }));
    expect(refusal(() => awsNotes(site))).toEqual({
      code: "AWS_LIMIT",
      what: 'environment "production" would have 102 target groups of the balancer, and AWS allows 100',
      where: 'environment "production"',
      why: "This limit is the same for every account, and AWS does not raise it.",
      standing: "Nothing was changed.",
      next: 'divide the services between two apps, or choose another "strategy" of "rollout": rolling needs one for each service',
    });
    expect(refusal(() => makeStacks(site))?.what).toBe(refusal(() => awsNotes(site))?.what);
    expect(refusal(() => awsNotes(production(app({ services: web(33), rollout: { strategy: "canary" } }))))).toBeUndefined();
  });

  it("more outputs than a stack gives", () => {
    const queues = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`q${index}`, { type: "queue" as const }]));
    expect(refusal(() => makeStacks(production(app({ resources: queues(41) }))))?.what).toBe(
      'stack "large-production-data" would have 205 outputs, and AWS allows 200',
    );
    expect(refusal(() => makeStacks(production(app({ resources: queues(40) }))))).toBeUndefined();
  });

  it("more parameters than a stack takes", () => {
    const databases = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`d${index}`, { type: "postgres" as const }]));
    expect(refusal(() => makeStacks(production(app({ resources: databases }))))?.what).toMatch(
      /would have \d+ (resources|parameters), and AWS allows (500|200)$/,
    );
  });

  it("more settings than an instance is started with, and more secrets than its role can name", () => {
    const secrets = (count: number) => ({
      services: { web: { command: "x", port: 3000, secrets: Array.from({ length: count }, (_, index) => `SECRET_OF_THE_APP_${index}`) } },
    });
    const site = production(app(secrets(150)));
    expect(refusal(() => makeStacks(site))?.what).toMatch(/would have \d+ characters of policies of Role, and AWS allows 10240$/);
    const heavy = production(app({}));
    const running = runningIn(heavy);
    for (const script of ["x".repeat(20_000), "é".repeat(10_000)])
      expect(refusal(() => makeStacks(heavy, { web: { blue: { ...running.web?.blue, release: "a", image: "ami-1", script } } }))?.what).toMatch(
        /would have 2\d{4} bytes of user data of BlueTemplate, and AWS allows 16384$/,
      );
  });
});

describe("what AWS raises when it is asked is a note:", () => {
  const notes = (input: AppInput) => awsNotes(production(input)).filter((note) => note.includes("Service Quotas"));

  it("nothing is said of what there is room for", () => {
    expect(notes(app({}))).toEqual([]);
  });

  it("rules of the balancer, for routes and for services", () => {
    const routes = Array.from({ length: 99 }, (_, index) => ({ path: `/p${index}`, deny: true }));
    expect(notes(app({ routes }))).toEqual([
      'environment "production" needs 101 rules of the balancer, and AWS gives 100 until it is asked for more: "Rules per Application Load Balancer" in Service Quotas',
    ]);
    expect(notes(app({ routes: routes.slice(1) }))).toEqual([]);
  });

  it("instances behind it, with those that stand beside them during a rollout", () => {
    const services = { web: { command: "x", port: 3000, instances: { min: 1, max: 600 } } };
    expect(notes(app({ services }))).toEqual([]);
    expect(notes(app({ services, rollout: { strategy: "blueGreen" } }))).toEqual([
      expect.stringContaining("needs 1200 instances behind the balancer"),
    ]);
  });

  it("networks and addresses of all environments in the region", () => {
    const inRegion = (region: string) => ({ target: "aws" as const, region, network: { zones: 3 as const, nat: "gateway" as const } });
    const environments = { production: inRegion("eu-central-1"), staging: inRegion("eu-central-1"), far: inRegion("eu-west-1") };
    expect(notes(app({ environments }))).toEqual([expect.stringContaining("needs 6 public addresses in one region")]);
    const network = { vpc: "vpc-01234567", subnets: { public: ["subnet-01234567", "subnet-01234568"] } };
    const there = { ...inRegion("eu-central-1"), network };
    expect(notes(app({ environments: { ...environments, staging: there } }))).toEqual([]);
    // Every account has one in each region from the beginning.
    const five = Object.fromEntries(
      ["production", "a", "b", "c", "d"].map((name) => [name, { ...inRegion("eu-central-1"), network: { nat: "none" as const } }]),
    );
    expect(notes(app({ environments: five }))).toEqual([expect.stringContaining("needs 6 networks in one region")]);
  });
});
