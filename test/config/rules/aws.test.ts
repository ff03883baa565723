// What contradicts in an environment on AWS.
import { describe, expect, test } from "vitest";
import { validateText } from "../../../src/config/check.ts";
import { deploymentOf } from "../../../src/config/deployment.ts";
import { isArm } from "../../../src/config/rules/aws.ts";
import type { AppInput } from "../../../src/config/schema.ts";
import { errorOfLiteral } from "../folders.ts";

const appWith = (production: string, rest = "", service = "") =>
  `({ name: "shop", services: { web: { command: "x", port: 80, ${service} } }, ${rest} environments: { production: { ${production} } } })`;

const first = async (literal: string) => (await errorOfLiteral(literal)).split("\n")[0]?.replace(/ {2,}[A-Z_]+$/, "");

describe("refused", () => {
  test.each<[string, string, string]>([
    [
      appWith('target: "local", notify: ["mailto:a@example.com"]'),
      "alerts on local",
      'error: "notify" of environment "production" is only for the target "aws"',
    ],
    [
      appWith('target: "aws", domain: { name: "www.example.com" }'),
      "a domain nobody can prove",
      'error: the domain of environment "production" has neither a zone nor a certificate',
    ],
    [
      appWith('target: "aws"', "", 'machine: { types: ["t4g.small", "t3.small"] }'),
      "two architectures",
      'error: the machines of service "web" are of two architectures: "t4g.small" and "t3.small"',
    ],
    [
      appWith('target: "aws", resources: { db: { backups: "60d" } }', 'resources: { db: { type: "postgres" } },'),
      "backups beyond what RDS keeps",
      'error: wrong value for "resources.db.backups" of environment "production": "60d"',
    ],
    [
      appWith('target: "aws"', 'resources: { db: { type: "mysql", machine: "db.t4g.micro", disk: "10GB" } },'),
      "too small a disk",
      'error: wrong value for "disk" of resource "db": "10GB"',
    ],
    [
      appWith('target: "aws", resources: { db: { disk: "200GB" } }', 'resources: { db: { type: "postgres" } },'),
      "a disk beyond its growth",
      'error: "diskMax" of resource "db" is 100GB, which environment "production" cannot have',
    ],
    [
      appWith('target: "aws", resources: { db: { machine: "cache.t4g.micro" } }', 'resources: { db: { type: "postgres" } },'),
      "a cache's machine",
      'error: "machine" of resource "db" is "cache.t4g.micro", which environment "production" cannot have',
    ],
    [
      appWith('target: "aws"', 'resources: { jobs: { type: "queue", visibilityTimeout: "13h" } },'),
      "a message held too long",
      'error: wrong value for "visibilityTimeout" of resource "jobs": "13h"',
    ],
    [
      appWith('target: "aws", resources: { jobs: { disk: "30GB" } }', 'resources: { jobs: { type: "queue" } },'),
      "a key of another type",
      'error: resource "jobs" is a queue, which has no "disk"',
    ],
    [
      appWith('target: "aws", network: { vpc: "vpc-0123456789abcdef0" }'),
      "a network without its subnets",
      'error: the network of environment "production" has "vpc" without "subnets"',
    ],
    [
      appWith('target: "aws", network: { vpc: "vpc-01234567", nat: "none", subnets: { public: ["subnet-01234567", "subnet-01234568"] } }'),
      "a key of Landfall's own network",
      'error: the network of environment "production" has "nat" beside "vpc"',
    ],
    [
      appWith('target: "aws", network: { vpc: "vpc-01234567", subnets: { public: ["subnet-01234567", "subnet-01234567"] } }'),
      "a subnet twice",
      'error: the network of environment "production" names subnet "subnet-01234567" twice',
    ],
    [
      appWith('target: "aws", network: { vpc: "my-vpc", subnets: { public: ["subnet-01234567", "subnet-01234568"] } }'),
      "no id",
      'error: wrong value for "network.vpc" of environment "production": "my-vpc"',
    ],
    [
      appWith('target: "local", network: { vpc: "vpc-01234567", subnets: { public: ["subnet-01234567", "subnet-01234568"] } }'),
      "a network on local",
      'error: "network" of environment "production" is only for the target "aws"',
    ],
    [
      appWith('target: "local"', 'resources: { db: { type: "mysql" } },'),
      "MySQL here",
      'error: resource "db" is a mysql database without a URL, and environment "production" is local',
    ],
    [
      appWith('target: "aws"', 'routes: [{ path: "/a b/*", deny: true }],'),
      "a blank",
      'error: the path of route 1 is "/a b/*", which the balancer of environment "production" reads otherwise',
    ],
  ])("%#", async (literal, _what, expected) => {
    expect(await first(literal)).toBe(expected);
  });

  test("a resource that is not there, in whole", async () => {
    const literal = appWith('target: "aws", resources: { database: { disk: "30GB" } }', 'resources: { databases: { type: "postgres" } },');
    expect(await errorOfLiteral(literal)).toMatchInlineSnapshot(`
      "error: environment "production" changes resource "database", which is not there  CONFIG_CONFLICT

        landfall.config.ts:1:188
          1 | : { type: "postgres" } }, environments: { production: { target: "aws", resources: { database: { disk: "30GB" } } } } });
            |                                                                                     ^^^^^^^^ did you mean "databases"?

        The resources are "databases".
        Nothing was changed.
        Next: rename it, then run  landfall check"
    `);
  });
});

test("an environment's own settings take the place of the app's", () => {
  const app: AppInput = {
    name: "shop",
    services: { web: { command: "x", port: 80 }, worker: { command: "y" } },
    resources: { db: { type: "postgres" } },
    environments: {
      production: {
        target: "aws",
        services: { web: { machine: { types: ["m7g.large"] } } },
        resources: { db: { machine: "db.m7g.large", multiZone: true } },
      },
    },
  };
  const { services, resources } = deploymentOf(validateText(`export default ${JSON.stringify(app)}`, "landfall.config.ts", app), "production");
  expect(services.web?.machine).toEqual({ types: ["m7g.large"], disk: 10_000_000_000, spot: false });
  expect(services.worker?.machine.types).toEqual(["t4g.small"]);
  expect(resources.db).toMatchObject({ machine: "db.m7g.large", multiZone: true, disk: 20_000_000_000 });
});

test("ARM is told from the type's name", () => {
  expect(["t4g.small", "m7gd.large", "c8gn.xlarge", "x2gd.medium", "im4gn.large"].filter((type) => !isArm(type))).toEqual([]);
  expect(["t3.small", "g5.xlarge", "m7i.large", "g6e.large", "mac2.metal", "u-6tb1.metal"].filter(isArm)).toEqual([]);
});
