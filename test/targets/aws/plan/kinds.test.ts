// What replaces a resource, against AWS's own schemas of resource types, which cfn-lint brings.
import { expect, test } from "vitest";
import { KINDS } from "../../../../src/targets/aws/plan/kinds.ts";
import { makeStacks } from "../../../../src/targets/aws/stacks/index.ts";
import { hasPython, replacingProperties } from "../stacks/cfn-lint.ts";
import { makeCases } from "../stacks/generated.ts";

/** Each property that some template uses, by type. */
function usedProperties(): Map<string, Set<string>> {
  const used = new Map<string, Set<string>>();
  for (const { app, running } of makeCases())
    for (const { body } of makeStacks(app, running))
      for (const { Type, Properties = {} } of Object.values((JSON.parse(body) as Template).Resources)) {
        const properties = used.get(Type) ?? new Set();
        for (const property of Object.keys(Properties)) properties.add(property);
        used.set(Type, properties);
      }
  return used;
}

interface Template {
  Resources: Record<string, { Type: string; Properties?: object }>;
}

/**
 * Replacing only under conditions that our templates never meet: a group is replaced only by an update policy that says so; of a
 * database these concern copies and clusters.
 */
const NEVER_MET: Record<string, string[]> = {
  "AWS::AutoScaling::AutoScalingGroup": ["LaunchTemplate", "MixedInstancesPolicy", "VPCZoneIdentifier"],
  "AWS::RDS::DBInstance": ["AutoMinorVersionUpgrade", "BackupRetentionPeriod", "DBParameterGroupName", "MultiAZ"],
};

/** Replacing by the user guide of CloudFormation, where the schema is silent. */
const DOCUMENTED: Record<string, string[]> = { "AWS::Route53::RecordSet": ["Name"] };

test.skipIf(!hasPython())(
  "the table says what AWS says, of every property in use",
  () => {
    const used = usedProperties();
    const schemas = replacingProperties([...used.keys()]);
    for (const [type, properties] of used) {
      const { always = [], sometimes = [] } = schemas[type] ?? {};
      const inUse = (names: readonly string[]) => names.filter((name) => properties.has(name)).sort();
      expect(inUse(KINDS[type]?.replacedBy ?? []), type).toEqual(inUse([...always, ...(DOCUMENTED[type] ?? [])]));
      expect(inUse(KINDS[type]?.mayBeReplacedBy ?? []), type).toEqual(inUse(sometimes).filter((name) => !NEVER_MET[type]?.includes(name)));
      expect(
        KINDS[type]?.replacedBy.filter((name) => !properties.has(name)),
        `${type}: in no template`,
      ).toEqual([]);
    }
    expect(Object.keys(KINDS).sort()).toEqual([...used.keys()].sort());
  },
  120_000,
);
