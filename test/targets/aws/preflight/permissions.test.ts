// Whoever has what `landfall iam` prints may make every call; whoever lacks a part is told which. IAM is played by an implementation of its decisions.
import { describe, expect, it } from "vitest";
import type { PolicyDocument } from "../../../../src/reports.ts";
import { listPermissions } from "../../../../src/targets/aws/iam/list.ts";
import { askPermissions } from "../../../../src/targets/aws/preflight/permissions.ts";
import type { Preflight } from "../../../../src/targets/aws/preflight/question.ts";
import { refusalOf } from "../iam/simulate.ts";
import { ACCOUNT, REGION } from "../resource-types/arns.ts";
import { production, SMALL } from "../templates/apps.ts";

const ROLE = `arn:aws:iam::${ACCOUNT}:role/teams/pipeline`;
const SESSION = `arn:aws:sts::${ACCOUNT}:assumed-role/pipeline/run-7`;
const deployment = production(SMALL);
const place = { account: ACCOUNT, region: REGION, partition: "aws" };
const printed: PolicyDocument[] = listPermissions({
  ...deployment,
  settings: { ...deployment.settings, account: ACCOUNT, region: REGION },
}).permissions.flatMap(({ policies }) => policies);

interface Asked {
  PolicySourceArn: string;
  ActionNames: string[];
  ResourceArns: string[];
  ContextEntries: { ContextKeyName: string; ContextKeyValues: string[]; ContextKeyType: string }[];
}

/** IAM with one role, which has these policies. Each call is decided on each resource, as the page on SimulatePrincipalPolicy describes it. */
const iamOf = (policies: PolicyDocument[]) => ({
  getRole: async ({ RoleName }: { RoleName: string }) => ({ Role: RoleName === "pipeline" ? { Arn: ROLE } : undefined }),
  async *paginateSimulatePrincipalPolicy({ PolicySourceArn, ActionNames, ResourceArns, ContextEntries }: Asked) {
    expect(PolicySourceArn).toBe(ROLE);
    const context = Object.fromEntries(
      ContextEntries.map(({ ContextKeyName, ContextKeyValues, ContextKeyType }) => [
        ContextKeyName,
        ContextKeyType === "stringList" ? ContextKeyValues : (ContextKeyValues[0] as string),
      ]),
    );
    for (const action of ActionNames) {
      const decided = await Promise.all(
        ResourceArns.map(async (resource) => [resource, await refusalOf(policies, { action, resource, context })] as const),
      );
      const words = (refusal: string | undefined) => (refusal === undefined ? "allowed" : "implicitDeny");
      yield {
        EvaluationResults: [
          {
            EvalActionName: action,
            EvalDecision: words(decided.every(([, refusal]) => refusal === undefined) ? undefined : ""),
            ResourceSpecificResults: decided.map(([EvalResourceName, refusal]) => ({ EvalResourceName, EvalResourceDecision: words(refusal) })),
          },
        ],
      };
    }
  },
});

const ask = (policies: PolicyDocument[], identity = SESSION) =>
  askPermissions({
    context: { deployment, clients: { iam: async () => iamOf(policies) } },
    place: { ...place, identity },
  } as unknown as Preflight);

const without = (...gone: string[]): PolicyDocument[] =>
  printed.map((policy) => ({
    ...policy,
    Statement: policy.Statement.map((statement) => ({ ...statement, Action: statement.Action.filter((action) => !gone.includes(action)) })).filter(
      ({ Action }) => Action.length > 0,
    ),
  }));

describe("permissions", () => {
  it("are complete for whoever has what is printed", async () => {
    const { findings, unasked, asked } = await ask(printed);
    expect([findings, unasked]).toEqual([[], []]);
    expect(asked).toMatch(/^\d{3} calls of \d+ groups of commands, as arn:aws:sts::/);
  });

  it("that are missing are named, with the commands that need them", async () => {
    const { findings } = await ask(without("kms:TagResource", "cloudformation:DetectStackDrift"));
    expect(findings).toEqual([
      {
        what: "plan --drift: 1 call is not allowed",
        why: "cloudformation:DetectStackDrift",
        next: 'landfall iam production "plan --drift"   prints what is needed',
      },
      {
        what: "commission, resume, abort: 1 call is not allowed",
        why: "kms:TagResource",
        next: "landfall iam production commission   prints what is needed",
      },
      {
        what: "commission --revert-drift: 2 calls are not allowed",
        why: "cloudformation:DetectStackDrift, kms:TagResource",
        next: 'landfall iam production "commission --revert-drift"   prints what is needed',
      },
    ]);
  });

  it("for another app's resources are none", async () => {
    const other = JSON.parse(JSON.stringify(printed).replaceAll("hello", "other")) as PolicyDocument[];
    expect((await ask(other)).findings.map(({ what }) => what)).toContainEqual(
      expect.stringMatching(/^commission, resume, abort: \d\d+ calls are not allowed$/),
    );
  });

  it("are not asked for the root of the account, and cannot be for somebody from elsewhere", async () => {
    expect(await ask([], `arn:aws:iam::${ACCOUNT}:root`)).toMatchObject({ findings: [], unasked: [] });
    expect(await ask([], `arn:aws:sts::${ACCOUNT}:federated-user/eve`)).toMatchObject({
      findings: [],
      unasked: ["who acts is no user and no role, and IAM simulates those only"],
    });
  });
});
