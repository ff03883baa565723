// Every call that Landfall itself makes on AWS is in some policy: found in the source, so that a new call without its permission is noticed.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { listPermissions } from "../../../../src/targets/aws/iam/list.ts";
import { CONTAINERS, FULL, production } from "../templates/apps.ts";

const source = fileURLToPath(new URL("../../../../src/targets/aws/", import.meta.url));

/** Where a call's permission has another name, or several. */
const NAMES: Record<string, string[]> = {
  ListObjectVersions: ["ListBucketVersions"],
  DeleteObjects: ["DeleteObject", "DeleteObjectVersion"],
  ListObjectsV2: ["ListBucket"],
  HeadObject: ["GetObject"],
  HeadBucket: ["ListBucket"],
  // Needs no permission.
  GetCallerIdentity: [],
};

/** Of a client that was loaded: `(await clients.ec2()).describeInstances(`, or of a variable that holds one. */
const CLIENTS =
  /(?:\b(?:acm|autoScaling|balancing|caches|cloudFormation|cloudWatch|ec2|ecr|ecs|firewalls|iam|kms|logs|pricing|rds|route53|s3|secretsManager|sns|sqs|ssm|sts|tagging)|clients\.\w+\(\)\))\s*\.([a-z]\w+)\(/g;

test("every call in the source is in a policy", () => {
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts") && !file.startsWith("stacks"));
  const called = files.flatMap((file) =>
    [...readFileSync(join(source, file), "utf8").matchAll(CLIENTS)].flatMap(([, name = ""]) => {
      const call = name.replace(/^paginate/, "");
      const action = call.charAt(0).toUpperCase() + call.slice(1);
      return (NAMES[action] ?? [action]).map((one) => ({ file, action: one }));
    }),
  );
  expect(called.length).toBeGreaterThan(15);
  const allowed = [FULL, CONTAINERS]
    .flatMap((app) => listPermissions(production(app)).permissions)
    .flatMap(({ policies }) => policies.flatMap(({ Statement }) => Statement.flatMap(({ Action }) => Action)))
    .map((action) => action.split(":")[1]);
  expect(called.filter(({ action }) => !allowed.includes(action))).toEqual([]);
});
