import { describe, expect, it } from "vitest";
import { findFirstFailure, findSkippable, type Happening, Timeline } from "../../../../src/targets/aws/cloudformation/events.ts";
import { meaningOf } from "../../../../src/targets/aws/cloudformation/explanations.ts";

const event = (logicalId: string, status: string, more: Partial<Happening> = {}): Happening => ({
  id: `${logicalId}-${status}`,
  at: 0,
  logicalId,
  type: "AWS::EC2::NatGateway",
  status,
  ofStack: false,
  ...more,
});

describe("the first failure", () => {
  it("is the one that others were cancelled for", () => {
    const happenings = [
      event("A", "CREATE_FAILED", { reason: "Resource creation cancelled" }),
      event("B", "CREATE_FAILED", { reason: "The maximum number of addresses has been reached." }),
      event("C", "CREATE_FAILED", { reason: "Resource creation Cancelled" }),
      event("shop", "CREATE_FAILED", { ofStack: true, reason: "The following resource(s) failed to create: [B]." }),
    ];
    expect(findFirstFailure(happenings)?.logicalId).toBe("B");
  });

  it("is the stack's own when no resource failed", () => {
    expect(findFirstFailure([event("shop", "UPDATE_FAILED", { ofStack: true })])?.logicalId).toBe("shop");
    expect(findFirstFailure([event("A", "CREATE_COMPLETE")])).toBeUndefined();
  });
});

it("only what failed on the way back is left out of the next attempt", () => {
  const back = event("shop", "UPDATE_ROLLBACK_IN_PROGRESS", { ofStack: true });
  const first = [event("shop", "UPDATE_IN_PROGRESS", { ofStack: true }), event("A", "UPDATE_FAILED"), back, event("B", "UPDATE_FAILED")];
  expect(findSkippable(first)).toEqual(["B"]);
  expect(findSkippable([...first, back, event("C", "UPDATE_FAILED"), event("shop", "UPDATE_ROLLBACK_FAILED", { ofStack: true })])).toEqual(["C"]);
});

describe("a line of progress", () => {
  it("says how long a resource took, and why it failed", () => {
    const timeline = new Timeline();
    const lines = [event("Nat", "CREATE_IN_PROGRESS"), event("Nat", "CREATE_FAILED", { at: 94_400, reason: "No address." })];
    expect(lines.map((one) => timeline.describe(one))).toEqual([
      "Nat (AWS::EC2::NatGateway) CREATE_IN_PROGRESS",
      "Nat (AWS::EC2::NatGateway) CREATE_FAILED after 1m34s: No address.",
    ]);
  });
});

describe("what CloudFormation's words mean", () => {
  it.each([
    ["The maximum number of addresses has been reached. (Service: Ec2)", "Service Quotas"],
    ["User: arn:aws:iam::1:user/x is not authorized to perform: rds:CreateDBInstance", "lacks a permission"],
    ["Received 0 SUCCESS signal(s) out of 2", "the app's own log"],
    ["We currently do not have sufficient t4g.small capacity in the Availability Zone", "name further types"],
    ["The bucket you tried to delete is not empty (Service: S3)", "empties it again"],
    ["Cannot delete protected DB Instance, please disable deletion protection", "deletionProtection"],
    ["The submitted information requires replacement of drifted resources, which is not supported.", "put it back by hand"],
    ["resource sg-1 has a dependent object", "outside the stack"],
    ["No hosted zone found with ID: Z0", "not in this account"],
    ["The specified instance type is not eligible for Free Tier. For a list of Free Tier instance types, run …", "Free plan"],
    ["The specified backup retention period exceeds the maximum available to free tier customers. To remove all limitations, upgrade …", '"1d"'],
    ["This instance size isn't available with free plan accounts. To remove all limitations, upgrade your account plan.", "db.t4g.micro"],
  ])("%s", (reason, meaning) => {
    expect(meaningOf(reason)).toContain(meaning);
  });

  it("depends on what failed", () => {
    expect(meaningOf("Failed to receive 1 resource signal(s) within the specified duration", "AWS::EC2::Instance")).toContain("its system log");
  });

  it("are left alone when nothing is known of them", () => {
    expect(meaningOf("Handler returned a surprise.")).toBeUndefined();
  });
});
