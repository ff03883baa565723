import type { ResourceChange } from "@aws-sdk/client-cloudformation";
import { describe, expect, it } from "vitest";
import { LandfallError } from "../../../../src/error.ts";
import { assertNoDataLoss, findLosses } from "../../../../src/targets/aws/cloudformation/data-loss.ts";

const change = (more: ResourceChange) => ({
  ResourceChange: { LogicalResourceId: "DatabaseDatabase", ResourceType: "AWS::RDS::DBInstance", ...more },
});

const conditional = (...names: string[]) =>
  change({
    Action: "Modify",
    Replacement: "Conditional",
    Details: names.map((Name) => ({ Target: { Attribute: "Properties", Name, RequiresRecreation: "Conditionally" } })),
  });

describe("losses in a change set", () => {
  it.each([
    ["a change in place", change({ Action: "Modify", Replacement: "False" }), []],
    ["something new", change({ Action: "Add" }), []],
    ["a replacement", change({ Action: "Modify", Replacement: "True" }), ["replaced"]],
    ["a replacement that depends", change({ Action: "Modify", Replacement: "Conditional" }), ["may be replaced"]],
    ["what CloudFormation only calls conditional", conditional("BackupRetentionPeriod", "MultiAZ"), []],
    ["what is conditional beside it", conditional("BackupRetentionPeriod", "AvailabilityZone"), ["may be replaced"]],
    ["a removal", change({ Action: "Remove" }), ["removed"]],
    ["a removal that leaves it in the account", change({ Action: "Remove", PolicyAction: "Retain" }), []],
    ["a removal with a last snapshot", change({ Action: "Remove", PolicyAction: "Snapshot" }), ["removed"]],
    ["a new one of what was deleted by hand", change({ Action: "Add", ResourceDriftStatus: "DELETED" }), ["made anew"]],
    ["what only its drift status is reset of", change({ Action: "SyncWithActual", ResourceDriftStatus: "MODIFIED" }), []],
    ["a replacement of what holds nothing", change({ Action: "Modify", Replacement: "True", ResourceType: "AWS::EC2::Subnet" }), []],
  ])("%s", (_, one, how) => {
    expect(findLosses("shop-production-data", [one]).map((loss) => loss.how)).toEqual(how);
  });

  it("are refused with all that the person needs to decide", () => {
    const Details = [{ Target: { Attribute: "Properties" as const, Name: "StorageEncrypted", RequiresRecreation: "Always" as const } }];
    const losses = findLosses("shop-production-data", [
      change({ Action: "Modify", Replacement: "True", Details }),
      change({ Action: "Remove", LogicalResourceId: "JobsQueue", ResourceType: "AWS::SQS::Queue" }),
    ]);
    const error = refused(losses, []);
    expect(error.parts).toEqual({
      code: "STACK_REPLACEMENT_REFUSED",
      what: 'the change would lose data: database "DatabaseDatabase" would be replaced',
      where: "stack shop-production-data",
      why: 'AWS cannot change "StorageEncrypted" in place: it would make a new, empty one and remove the old one.',
      standing: "The database stands as it was.",
      next: "take a copy of what is in it, then  landfall commission production --confirm-replace DatabaseDatabase JobsQueue   or undo the change",
    });
    expect(error.more.map(({ message }) => message)).toEqual(['the change would lose data: queue "JobsQueue" would be removed']);
    expect(refused(losses, ["DatabaseDatabase"]).message).toBe('the change would lose data: queue "JobsQueue" would be removed');
    expect(() => assertNoDataLoss(losses, ["DatabaseDatabase", "JobsQueue"], "production")).not.toThrow();
  });
});

function refused(losses: ReturnType<typeof findLosses>, confirmed: string[]): LandfallError {
  try {
    assertNoDataLoss(losses, confirmed, "production");
  } catch (error) {
    if (error instanceof LandfallError) return error;
  }
  throw new Error("nothing was refused");
}
