// What a network that is there already has to have. Zones and subnets by AWS's page on the subnets of a load balancer:
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#subnets-load-balancer
import { describe, expect, it } from "vitest";
import type { AppInput } from "../../../../../src/config/schema.ts";
import { existingNetwork } from "../../../../../src/targets/aws/templates/network/existing.ts";
import { countAddresses, judgeNetwork, type ObservedNetwork, type ObservedSubnet } from "../../../../../src/targets/aws/templates/network/fitness.ts";
import { production, SMALL } from "../apps.ts";

const VPC = "vpc-00000001";
const id = (number: number) => `subnet-0000000${number}`;
const withPrivate = { public: [id(1), id(2)], private: [id(3), id(4)] };
const appIn = (subnets: object, more: Partial<AppInput> = {}) =>
  production({ ...SMALL, ...more, environments: { production: { target: "aws", network: { vpc: VPC, subnets } } } });

const subnet = (zone: string, way: string | undefined, more: Partial<ObservedSubnet> = {}): ObservedSubnet => ({
  vpc: VPC,
  zone,
  free: 200,
  ...(way ? { way } : {}),
  ...more,
});

interface Changed {
  vpc?: Partial<NonNullable<ObservedNetwork["vpc"]>>;
  subnets?: Record<string, ObservedSubnet | undefined>;
}

function judge({ vpc, subnets = {} }: Changed, deployment = appIn(withPrivate)): string[] {
  const found = {
    [id(1)]: subnet("a", "igw-1"),
    [id(2)]: subnet("b", "igw-1"),
    [id(3)]: subnet("a", "nat-1"),
    [id(4)]: subnet("b", "tgw-1"),
    ...subnets,
  };
  const existing = existingNetwork(deployment.settings.network);
  if (!existing) throw new Error("it is one of its own");
  return judgeNetwork(deployment, existing, {
    vpc: { tenancy: "default", dnsSupport: true, dnsHostnames: true, tags: {}, ...vpc },
    subnets: new Map(Object.entries(found).flatMap(([name, one]) => (one ? [[name, one]] : []))),
  }).map(({ what }) => what);
}

describe("a network that is there already", () => {
  it("fits with a gateway for the balancer and a way out for instances, and with public subnets alone", () => {
    expect(judge({})).toEqual([]);
    expect(judge({}, appIn({ public: [id(1), id(2)] }))).toEqual([]);
  });

  it.each<[string, Changed, string[]]>([
    [
      "of another environment",
      { vpc: { tags: { "landfall:app": "shop", "landfall:environment": "staging" } } },
      [`network "${VPC}" is that of environment "staging" of app "shop"`],
    ],
    ["with dedicated hardware", { vpc: { tenancy: "dedicated" } }, [`network "${VPC}" has dedicated hardware for each instance`]],
    [
      "without names",
      { vpc: { dnsSupport: false, dnsHostnames: false } },
      [`network "${VPC}" does not resolve names: enableDnsSupport and enableDnsHostnames are false`],
    ],
    ["without one of its subnets", { subnets: { [id(3)]: undefined } }, [`there is no subnet "${id(3)}" in this account and region`]],
    ["with a subnet of another", { subnets: { [id(3)]: subnet("a", "nat-1", { vpc: "vpc-2" }) } }, [`subnet "${id(3)}" is not in network "${VPC}"`]],
    ["with a public subnet that is not", { subnets: { [id(1)]: subnet("a", "nat-1") } }, [`subnet "${id(1)}" is not public`]],
    ["with a gateway that is gone", { subnets: { [id(1)]: subnet("a", "igw-1", { broken: true }) } }, [`subnet "${id(1)}" is not public`]],
    ["with a private subnet that is public", { subnets: { [id(3)]: subnet("a", "igw-1") } }, [`subnet "${id(3)}" is public`]],
    ["with no way out", { subnets: { [id(3)]: subnet("a", undefined) } }, [`subnet "${id(3)}" has no way out`]],
    ["with a way out that is gone", { subnets: { [id(3)]: subnet("a", "nat-1", { broken: true }) } }, [`subnet "${id(3)}" has no way out`]],
    ["with private subnets of one zone", { subnets: { [id(4)]: subnet("a", "nat-1") } }, ['the subnets under "private" are all in one zone, a']],
    [
      "with instances where the balancer is not",
      { subnets: { [id(4)]: subnet("c", "nat-1") } },
      [`subnet "${id(4)}" is in zone c, which none under "public" is in`],
    ],
    [
      "without room for the balancer",
      { subnets: { [id(2)]: subnet("b", "igw-1", { free: 7 }) } },
      [`subnet "${id(2)}" has 7 free addresses, and the balancer needs 8`],
    ],
    [
      "without room for instances",
      { subnets: { [id(3)]: subnet("a", "nat-1", { free: 1 }), [id(4)]: subnet("b", "nat-1", { free: 2 }) } },
      ["the subnets for instances have 3 free addresses, and the environment needs 4"],
    ],
  ])("%s does not fit", (_, changed, expected) => {
    expect(judge(changed)).toEqual(expected);
  });

  it("has one public subnet in each zone", () => {
    const three = appIn({ public: [id(1), id(2), id(5)], private: [id(3), id(4)] });
    expect(judge({ subnets: { [id(5)]: subnet("b", "igw-1") } }, three)).toEqual([
      `subnet "${id(5)}" is in zone b, as another one under "public" is`,
    ]);
  });

  it("shares its public subnets between balancer and instances where there are no others", () => {
    const subnets = { [id(1)]: subnet("a", "igw-1", { free: 9 }), [id(2)]: subnet("b", "igw-1", { free: 10 }) };
    expect(judge({ subnets }, appIn({ public: [id(1), id(2)] }))).toEqual([
      "the subnets for instances have 3 free addresses beside those of the balancer, and the environment needs 4",
    ]);
  });
});

it("counts addresses by the strategy, with what holds data", () => {
  const services = { web: { command: "x", port: 80, instances: 4 }, tick: { command: "y", schedule: "* * * * *" } };
  const of = (more: Partial<AppInput>) => countAddresses(appIn(withPrivate, { services, ...more }));
  // Two for machines of one-off tasks, one for the job.
  expect(of({})).toBe(2 + 1 + 5);
  expect(of({ rollout: { surge: false } })).toBe(2 + 1 + 4);
  expect(of({ rollout: { strategy: "blueGreen" } })).toBe(2 + 1 + 8);
  expect(of({ services: { web: { command: "x", port: 80, instances: 4, container: { maxHealthy: "200%" } } } })).toBe(2 + 8);
  expect(of({ resources: { db: { type: "postgres" }, jobs: { type: "queue" } } })).toBe(2 + 1 + 5 + 2);
});
