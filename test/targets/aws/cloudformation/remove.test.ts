import { expect, it } from "vitest";
import { orderRemoval } from "../../../../src/targets/aws/cloudformation/remove.ts";
import { makeTurns } from "../../../../src/targets/aws/cloudformation/turns.ts";
import { makeStacks } from "../../../../src/targets/aws/stacks/index.ts";
import { FULL, production } from "../stacks/apps.ts";

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

it("lets so many run at once", async () => {
  const turn = makeTurns(2);
  const ends: (() => void)[] = [];
  const begun: number[] = [];
  const all = [1, 2, 3].map((number) =>
    turn(() => {
      begun.push(number);
      return new Promise<void>((resolve) => void ends.push(resolve));
    }),
  );
  expect(begun).toEqual([1, 2]);
  ends[0]?.();
  await all[0];
  await new Promise(setImmediate);
  expect(begun).toEqual([1, 2, 3]);
  for (const end of ends) end();
  await Promise.all(all);
});
