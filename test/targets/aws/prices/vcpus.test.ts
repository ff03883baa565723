import { expect, test } from "vitest";
import type { AppInput } from "../../../../src/config/schema.ts";
import { withFleets } from "../../../../src/targets/aws/prices/cost.ts";
import { countVcpus, vcpusOf } from "../../../../src/targets/aws/prices/vcpus.ts";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { production, SMALL } from "../templates/apps.ts";

/** From https://docs.aws.amazon.com/ec2/latest/instancetypes/ (gp, co, mo, so, pg), by default. */
test.each([
  ["t2.micro", 1],
  ["t2.medium", 2],
  ["t3.nano", 2],
  ["t4g.small", 2],
  ["t4g.2xlarge", 8],
  ["a1.medium", 1],
  ["m7g.medium", 1],
  ["m7g.large", 2],
  ["m5zn.3xlarge", 12],
  ["c4.8xlarge", 36],
  ["c7gd.16xlarge", 64],
  ["r7i.48xlarge", 192],
  ["im4gn.xlarge", 4],
  // Of other quotas, or with a number of its own.
  ["g5.xlarge", undefined],
  ["inf2.xlarge", undefined],
  ["x2gd.medium", undefined],
  ["mac2.metal", undefined],
  ["m7g.metal", undefined],
])("a %s has so many vCPUs", (type, vcpus) => {
  expect(vcpusOf(type)).toBe(vcpus);
});

function countOf(input: Partial<AppInput>) {
  const deployment = production({ ...SMALL, ...input });
  const names = { app: deployment.app, environment: "production", resources: Object.keys(deployment.resources) };
  return countVcpus(deployment, makeStacks(deployment, withFleets(deployment, {})), names);
}
const web = { command: "node server.js", port: 3000, instances: 4 };
const none = { steady: 0, most: 0 };

test.each<[string, Partial<AppInput>, ReturnType<typeof countOf>]>([
  // Half of four is replaced at a time, and stands beside the others meanwhile.
  ["in place", { services: { web }, rollout: { batch: "50%" } }, { onDemand: { steady: 8, most: 12 }, spot: none }],
  ["in place without room for both", { services: { web }, rollout: { surge: false } }, { onDemand: { steady: 8, most: 10 }, spot: none }],
  ["beside the old one", { services: { web }, rollout: { strategy: "blueGreen" } }, { onDemand: { steady: 8, most: 16 }, spot: none }],
  [
    "as a canary with its baseline",
    { services: { web }, rollout: { strategy: "canary", canary: { instances: 2 } } },
    { onDemand: { steady: 8, most: 20 }, spot: none },
  ],
  [
    "of spare capacity, of the largest of its types, at the most that scaling allows",
    {
      services: {
        web: { ...web, instances: { min: 1, max: 5 }, scaling: { cpu: "60%" }, machine: { types: ["m7g.large", "m7g.2xlarge"], spot: true } },
      },
      rollout: { strategy: "blueGreen" },
    },
    { onDemand: { steady: 0, most: 2 }, spot: { steady: 40, most: 80 } },
  ],
  // The one that makes images, and a worker's pilot beside a batch of one.
  [
    "that takes no requests, with a small machine for the way out",
    {
      services: { worker: { command: "node worker.js" } },
      environments: { production: { target: "aws", region: "eu-central-1", network: { nat: "instance" } } },
    },
    { onDemand: { steady: 4, most: 8 }, spot: none },
  ],
  // Fargate has quotas of its own.
  ["in containers", { services: { web: { ...web, container: {} } } }, { onDemand: none, spot: none }],
])("a fleet that is changed %s takes so many", (_, input, expected) => {
  expect(countOf(input)).toEqual(expected);
});
