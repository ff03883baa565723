// What the emulator's rules do not say: hooks of the account's own, which the same call tells, and change sets that nothing was found in.
import { expect, it } from "vitest";
import type { Clients } from "../../../../src/targets/aws/account/clients.ts";
import { explainRefusal } from "../../../../src/targets/aws/cloudformation/refused-change.ts";

const ARN = "arn:aws:cloudformation:eu-central-1:123456789012:changeSet/landfall-1/2";
const refused = { ChangeSetId: ARN, Status: "FAILED" as const, StatusReason: "The following hook(s) failed: [Acme::Guard::Tls]" };

function clientsWith(events: object[], asked: unknown[] = []): Clients {
  const cloudFormation = {
    async *paginateDescribeEvents(input: unknown) {
      asked.push(input);
      yield { OperationEvents: events };
    },
  };
  return { cloudFormation: async () => cloudFormation } as unknown as Clients;
}

it("names what a hook of the account has refused, and not what it has warned of", async () => {
  const asked: unknown[] = [];
  const of = { LogicalResourceId: "Listener", ResourceType: "AWS::ElasticLoadBalancingV2::Listener", HookType: "Acme::Guard::Tls" };
  const events = [
    { EventType: "HOOK_INVOCATION_ERROR", ...of, HookFailureMode: "WARN", HookStatusReason: "It has no tag of an owner." },
    { EventType: "HOOK_INVOCATION_ERROR", ...of, HookFailureMode: "FAIL", HookStatusReason: "It speaks plain HTTP." },
    { EventType: "STACK_EVENT", ResourceStatus: "REVIEW_IN_PROGRESS", ResourceStatusReason: "User Initiated" },
  ];
  expect((await explainRefusal(clientsWith(events, asked), "shop-production-edge", refused)).parts).toMatchObject({
    code: "STACK_FAILED",
    what: 'CloudFormation does not accept resource "Listener" (AWS::ElasticLoadBalancingV2::Listener)',
    why: '"Listener": It speaks plain HTTP.',
  });
  expect(asked).toEqual([{ ChangeSetName: ARN, Filters: { FailedEvents: true } }]);
});

it("says CloudFormation's general words where nothing was found, and what they mean", async () => {
  const StatusReason = "The submitted information requires replacement of drifted resources, which is not supported.";
  expect((await explainRefusal(clientsWith([]), "shop-production-edge", { ...refused, StatusReason })).parts.why).toMatch(
    /which is not supported\.\nWhat was changed by hand is to be replaced/,
  );
  expect((await explainRefusal(clientsWith([]), "shop-production-edge", refused)).parts).toMatchObject({
    what: 'CloudFormation does not accept the change to stack "shop-production-edge"',
    why: "The following hook(s) failed: [Acme::Guard::Tls]",
  });
});
