// What replaces a resource, against AWS's own schemas of resource types, which cfn-lint brings.
import { expect, test } from "vitest";
import { RESOURCE_TYPES } from "../../../../src/targets/aws/resource-types/index.ts";
import { requires } from "../../../skips.ts";
import { hasPython, replacingProperties } from "../templates/cfn-lint.ts";
import { usedProperties } from "./used.ts";

/** Replacing by the user guide of CloudFormation, where the schema is silent. */
const DOCUMENTED: Record<string, string[]> = { "AWS::Route53::RecordSet": ["Name"] };

requires("python3 with venv", hasPython())("the properties that replace a resource", () => {
  test("are those of AWS's schema of its type, as far as templates use them", () => {
    const used = usedProperties();
    const schemas = replacingProperties([...used.keys()]);
    for (const [type, properties] of used) {
      const { always = [], sometimes = [] } = schemas[type] ?? {};
      const inUse = (names: readonly string[]) => names.filter((name) => properties.has(name)).sort();
      const { replacedBy = [], mayBeReplacedBy = [], changedInPlace = [] } = RESOURCE_TYPES[type] ?? {};
      expect.soft([...replacedBy].sort(), type).toEqual(inUse([...always, ...(DOCUMENTED[type] ?? [])]));
      expect.soft([...mayBeReplacedBy, ...changedInPlace].sort(), type).toEqual(inUse(sometimes));
    }
  }, 300_000);
});
