import { expect, it } from "vitest";
import { deploymentOf } from "../../src/config/deployment.ts";
import { appSchema } from "../../src/config/schema.ts";
import { LandfallError } from "../../src/error.ts";
import { assertCounts, countNotes, heldCounts, keptCounts } from "../../src/targets/counts.ts";

const { services } = deploymentOf(
  appSchema.parse({
    name: "shop",
    services: {
      web: { command: "web", port: 3000, instances: 3 },
      api: { command: "api", instances: { min: 2, max: 4 } },
      pinned: { command: "pinned", instances: { min: 3, max: 3 } },
      scheduler: { command: "scheduler", singleton: true },
      queue: { command: "queue", instances: { min: 0, max: 4 }, scaling: { cpu: "60%" } },
    },
  }),
  "local",
);

function refusal(counts: Record<string, number>) {
  try {
    assertCounts(services, counts);
  } catch (error) {
    if (error instanceof LandfallError) return [error.code, error.parts.why, error.parts.next];
    throw error;
  }
  return "allowed";
}

it("a plain number binds nobody who asks by hand, and a range does, also one of a single number", () => {
  for (const web of [0, 1, 3, 11, 1000]) expect(refusal({ web })).toBe("allowed");
  for (const web of [-1, 1.5, 1001, Number.NaN])
    expect(refusal({ web })).toEqual(["SCALE_OUT_OF_RANGE", "there can be 0 to 1000", "choose a number in that range"]);
  const change = (service: string) => `choose a number in that range, or change instances of "${service}" in landfall.config.ts`;
  expect(refusal({ api: 5 })).toEqual(["SCALE_OUT_OF_RANGE", "the configuration allows 2 to 4", change("api")]);
  expect(refusal({ pinned: 4 })).toEqual(["SCALE_OUT_OF_RANGE", "the configuration allows 3 to 3", change("pinned")]);
  expect(refusal({ scheduler: 0 })).toBe("allowed");
  expect(refusal({ web: 4, scheduler: 2 })).toEqual(["SCALE_OUT_OF_RANGE", '"scheduler" is a singleton: at most 1', "choose a number in that range"]);
});

it("says how long a number holds, where the configuration has another", () => {
  expect(countNotes(services, { web: 5, api: 3, queue: 3 }, true)).toEqual([
    "web=5 holds until the next deploy, which goes by the 3 of landfall.config.ts",
    "later deploys keep api=3; the configuration begins with 2",
  ]);
  expect(countNotes(services, { web: 5 }, false)).toEqual(["web=5 holds for the first deploy, and later ones go by the 3 of landfall.config.ts"]);
  expect(countNotes(services, { web: 3, api: 2 }, true)).toEqual([]);
});

it("keeps numbers within a range, and holds those instead of a plain one", () => {
  expect(keptCounts(services, { web: 5, api: 3 })).toEqual({ api: 3 });
  expect(heldCounts(services, { web: 5, api: 3, gone: 2 })).toEqual({ web: 5 });
});
