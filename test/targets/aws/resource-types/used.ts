// What the templates of the examples and of generated environments use.
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { makeCases } from "../templates/generated.ts";

interface Template {
  Resources: Record<string, { Type: string; Properties?: object }>;
}

/** Each property that some template uses, by type. */
export function usedProperties(): Map<string, Set<string>> {
  const used = new Map<string, Set<string>>();
  for (const { deployment, running } of makeCases())
    for (const { body } of makeStacks(deployment, running))
      for (const { Type, Properties = {} } of Object.values((JSON.parse(body) as Template).Resources)) {
        const properties = used.get(Type) ?? new Set();
        for (const property of Object.keys(Properties)) properties.add(property);
        used.set(Type, properties);
      }
  return used;
}
