// IAM's decision on one call under a command's policies, by @cloud-copilot/iam-simulate, with the tags that exist at that moment.
import { runSimulation, runUnsafeSimulation, type Simulation } from "@cloud-copilot/iam-simulate";
import type { PolicyDocument } from "../../../../src/reports.ts";
import { ACCOUNT, REGION } from "../resource-types/arns.ts";
import { canMeet, findAction, hasKey } from "./reference.ts";

export interface Request {
  action: string;
  /** `*` for what is about no thing. */
  resource: string;
  /** Those of the thing. */
  tags?: Record<string, string>;
  /** Those that are in the request. */
  newTags?: Record<string, string>;
  /** Other condition keys that the call is decided by. */
  context?: Record<string, string | string[]>;
}

/** Our keys leave it to IAM, as those that AWS makes do: without a policy of its own nobody may do anything with a key. */
const KEY_POLICY = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` }, Action: "kms:*", Resource: "*" }],
};

/**
 * Where the data knows too little to check a request: it has two pages for balancers and keeps the old one's kinds for what both have; and
 * parameters and documents of AWS itself are of no account. Those are decided all the same.
 */
const UNCHECKED = [
  /^elasticloadbalancing:(AddTags|RemoveTags|(Create|Delete|Modify)LoadBalancer)/,
  /^ssm:(GetParameters?|SendCommand|StartSession)$/,
];

/** Undefined when it is allowed; else what IAM says. */
export async function refusalOf(policies: readonly PolicyDocument[], request: Request): Promise<string | undefined> {
  const { action, resource } = request;
  const simulation = await makeSimulation(policies, request);
  const answer = await runSimulation(simulation, {});
  const unchecked = answer.resultType === "error" && answer.errors.message === "no.resource.types" && UNCHECKED.some((one) => one.test(action));
  const said = unchecked ? runUnsafeSimulation(simulation, {}) : answer.resultType === "error" ? answer.errors.message : answer.overallResult;
  return said === "Allowed" ? undefined : `${action} on ${resource.replace(/^arn:aws:/, "")}: ${said}`;
}

async function makeSimulation(
  policies: readonly PolicyDocument[],
  { action, resource, tags = {}, newTags = {}, context = {} }: Request,
): Promise<Simulation> {
  const facts = await findAction(action);
  const kinds = (facts?.kinds ?? []).filter((kind) => canMeet(resource, kind.arn));
  const keys = [...(facts?.keys ?? []), ...kinds.flatMap((kind) => kind.keys)];
  const known = (prefix: string, entries: Record<string, string>) =>
    Object.entries(entries).flatMap(([key, value]) => (hasKey(keys, `${prefix}/${key}`) ? [[`${prefix}/${key}`, value] as const] : []));
  return {
    request: {
      principal: `arn:aws:iam::${ACCOUNT}:user/pipeline`,
      action,
      resource: { resource, accountId: ACCOUNT },
      contextVariables: {
        "aws:RequestedRegion": REGION,
        ...Object.fromEntries([...known("aws:ResourceTag", tags), ...known("aws:RequestTag", newTags)]),
        ...context,
      },
    },
    // Whatever allows nothing of this call is left out: the policies are long, and are read anew each time.
    identityPolicies: policies
      .map(({ Version, Statement }) => ({ Version, Statement: Statement.filter(({ Action }) => Action.includes(action)) }))
      .filter(({ Statement }) => Statement.length > 0)
      .map((policy, index) => ({ name: String(index), policy })),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    ...(resource.includes(":kms:") ? { resourcePolicy: KEY_POLICY } : {}),
  };
}
