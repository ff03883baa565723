// A second opinion on the policies, by parliament, whose reference is an older one. Where the two differ, it is said why ours is right.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { listPermissions } from "../../../../src/targets/aws/iam/list.ts";
import { ensurePython, hasPython, run } from "../../../python.ts";
import { requires } from "../../../skips.ts";
import { CONTAINERS, FULL, production } from "../templates/apps.ts";

const PACKAGES = [
  "parliament==1.6.4",
  "boto3==1.44.8",
  "botocore==1.44.8",
  "jmespath==1.1.0",
  "json-cfg==0.4.2",
  "kwonly-args==1.0.10",
  "python-dateutil==2.9.0.post0",
  "PyYAML==6.0.4",
  "s3transfer==0.19.3",
  "setuptools==80.9.0",
  "six==1.17.0",
  "urllib3==2.8.0",
];

/** One finding an action, as `ISSUE action`. That something is allowed on all there is has its reason beside the policy. */
const PROGRAM = `
import json, re, sys
from parliament import analyze_policy_string
found = set()
for policy in json.load(open(sys.argv[1])):
    for one in analyze_policy_string(json.dumps(policy)).findings:
        if one.issue != "RESOURCE_STAR":
            found.update(f"{one.issue} {action}" for action in re.findall(r"[a-z0-9-]+:[A-Z]\\w+", str(one.detail)) or [str(one.detail)])
print(json.dumps(sorted(found)))
`;

const KNOWN: Record<string, string> = {
  ...Object.fromEntries(
    ["CreateWebACLAssociation", "DeleteWebACLAssociation", "GetLoadBalancerWebACL"].map((call) => [
      `UNKNOWN_ACTION elasticloadbalancing:${call}`,
      "newer than its reference",
    ]),
  ),
  "UNKNOWN_ACTION cloudformation:DescribeEvents": "newer than its reference",
  "UNKNOWN_ACTION ec2:DescribeVpcEncryptionControls": "newer than its reference",
  "UNKNOWN_ACTION ecs:StopServiceDeployment": "newer than its reference",
  "UNKNOWN_ACTION s3:GetBucketAbac": "newer than its reference",
  "RESOURCE_MISMATCH route53:ChangeTagsForResource": "it is about a zone or a health check, and not about both",
  "RESOURCE_MISMATCH ssm:GetParameter": "AWS's own parameters are of no account",
  "RESOURCE_MISMATCH ssm:GetParameters": "AWS's own parameters are of no account",
  "RESOURCE_MISMATCH ssm:SendCommand": "AWS's own documents are of no account",
};

requires("python3 with venv", hasPython())("parliament", () => {
  const folder = mkdtempSync(join(tmpdir(), "landfall-parliament-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("finds in no policy what is not known to be right", () => {
    const policies = [FULL, CONTAINERS].flatMap((app) => listPermissions(production(app)).permissions.flatMap((one) => one.policies));
    const file = join(folder, "policies.json");
    writeFileSync(file, JSON.stringify(policies));
    const found = JSON.parse(run(ensurePython(PACKAGES), ["-c", PROGRAM, file])) as string[];
    expect(found.filter((one) => !KNOWN[one])).toEqual([]);
    expect(Object.keys(KNOWN).filter((one) => !found.includes(one))).toEqual([]);
  });
});
