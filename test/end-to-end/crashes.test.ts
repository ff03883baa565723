// A spread of the crash matrix; all of it is bench/crashes.ts.
import { afterAll, describe, expect, it } from "vitest";
import { SCENARIOS, Stage } from "./crashes.ts";
import { makeSandbox } from "./sandbox.ts";

/** Points of each operation, spread over its journal. LANDFALL_CRASH_POINTS asks for more. */
const POINTS = Number(process.env.LANDFALL_CRASH_POINTS ?? 3);

const sandbox = makeSandbox();
const stage = new Stage(sandbox, "crashes");
afterAll(() => sandbox.dispose());

describe.sequential("an operation that is killed", () => {
  it.each(SCENARIOS)(
    "%s: is finished or undone, whatever was killed where",
    async (scenario) => {
      const matrix = Stage.matrixOf(scenario, await stage.count(scenario));
      const stride = matrix.length / Math.min(POINTS, matrix.length);
      for (let at = stride / 2; at < matrix.length; at += stride) {
        const point = matrix[Math.floor(at)] as (typeof matrix)[number];
        expect(await stage.strike(point), JSON.stringify(point)).toEqual([]);
      }
    },
    120_000 + POINTS * 120_000,
  );
});
