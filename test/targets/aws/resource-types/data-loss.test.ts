// What plan calls lost and what commission refuses, by type: two readers of one entry.
import { expect, test } from "vitest";
import { findLosses } from "../../../../src/targets/aws/cloudformation/data-loss.ts";
import { compareTemplates } from "../../../../src/targets/aws/plan/compare.ts";
import { RESOURCE_TYPES } from "../../../../src/targets/aws/resource-types/index.ts";

test("what plan says is lost is what commission refuses, of every type and of one that nobody knows", () => {
  const names = { app: "shop", environment: "production", resources: [] };
  for (const Type of [...Object.keys(RESOURCE_TYPES), "AWS::New::Thing"]) {
    const { changes } = compareTemplates([{ name: "shop-production-data", body: JSON.stringify({ Resources: { Thing: { Type } } }) }], [], names);
    const losses = findLosses("shop-production-data", [{ ResourceChange: { Action: "Remove", ResourceType: Type, LogicalResourceId: "Thing" } }]);
    expect.soft(losses.length === 1, `${Type} is refused`).toBe(changes[0]?.data === "its data is lost");
    expect.soft(losses.map(({ logicalId }) => logicalId)).toEqual(changes.flatMap(({ confirm }) => confirm ?? []));
  }
});
