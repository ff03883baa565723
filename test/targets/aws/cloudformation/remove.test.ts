import { expect, it } from "vitest";
import { orderRemoval } from "../../../../src/targets/aws/cloudformation/remove.ts";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { FULL, production } from "../templates/apps.ts";

it("removes each stack before those that it needs", () => {
  const templates = makeStacks(production(FULL));
  const groups = orderRemoval(templates, { app: "shop", environment: "production" });
  expect(groups.flat()).toHaveLength(templates.length);
  const place = (name: string) => groups.findIndex((group) => group.some((one) => one.name === name));
  const wrong = templates.flatMap(({ name, dependsOn }) =>
    dependsOn.filter((needed) => place(needed) <= place(name)).map((needed) => [name, needed]),
  );
  expect(wrong).toEqual([]);
});
