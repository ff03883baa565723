// One entry a type, and one file an entry.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RESOURCE_TYPES } from "../../../../src/targets/aws/resource-types/index.ts";
import { usedProperties } from "./used.ts";

const used = usedProperties();

describe("entries", () => {
  it("are of the types in templates: each has one, and none is of no use", () => {
    expect(Object.keys(RESOURCE_TYPES).sort()).toEqual([...used.keys()].sort());
  });

  it("speak of no property that no template uses", () => {
    const unused = Object.entries(RESOURCE_TYPES).flatMap(([type, { replacedBy, mayBeReplacedBy = [], changedInPlace = [], effects = {} }]) =>
      [...replacedBy, ...mayBeReplacedBy, ...changedInPlace, ...Object.keys(effects)]
        .filter((property) => !used.get(type)?.has(property))
        .map((property) => `${type} ${property}`),
    );
    expect(unused).toEqual([]);
  });

  it("call what makes, reads and removes each", () => {
    const silent = Object.entries(RESOURCE_TYPES).filter(([, { permissions }]) => permissions.create.length === 0 || permissions.remove.length === 0);
    expect(silent).toEqual([]);
  });

  it("that are part of another lead to one that is looked for", () => {
    for (const [type, { inventory }] of Object.entries(RESOURCE_TYPES)) {
      let whole = inventory;
      for (let steps = 0; "partOf" in whole && steps < 5; steps++) whole = RESOURCE_TYPES[whole.partOf]?.inventory ?? whole;
      expect.soft("partOf" in whole, type).toBe(false);
    }
  });

  it("stand in one file each, and no other table goes by types", () => {
    const src = join(import.meta.dirname, "../../../../src");
    const keys = readdirSync(src, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) =>
        [...readFileSync(join(src, file), "utf8").matchAll(/^ *"(AWS::\w+::\w+)":/gm)].map(([, type]) => ({ file, type: String(type) })),
      );
    expect(keys.map(({ type }) => type).sort()).toEqual(Object.keys(RESOURCE_TYPES).sort());
    expect(keys.filter(({ file }) => !file.startsWith("targets/aws/resource-types/"))).toEqual([]);
  });
});
