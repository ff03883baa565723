import { describe, expect, it } from "vitest";
import type { CostLine } from "../../src/plan/cost.ts";
import { judgeBudget, sumOf } from "../../src/plan/cost.ts";

const line = (units: number | [number, number], price?: number): CostLine => {
  const [min, max] = typeof units === "number" ? [units, units] : units;
  return { of: "service web", what: "machines", units: { min, max }, unit: "hour", assumption: "", ...(price === undefined ? {} : { price }) };
};

describe("a sum", () => {
  it("adds what is known, at the least and at the most", () => {
    expect(sumOf([line(730, 0.1), line([730, 1460], 0.2)])).toEqual({ min: 219, max: 365, unknown: [] });
  });

  it("keeps what has no price apart, and does not take it for nothing", () => {
    const strange = line(730);
    expect(sumOf([line(10, 1), strange])).toEqual({ min: 10, max: 10, unknown: [strange] });
  });
});

describe("a budget", () => {
  const judge = (lines: CostLine[], budget?: number) => judgeBudget({ after: { lines, uses: [] }, budget }).kind;

  it("is held against the most that fleets may grow to", () => {
    expect(judge([line([100, 200], 1)], 200)).toBe("below");
    expect(judge([line([100, 200], 1)], 199)).toBe("above");
  });

  it("cannot be judged without every price, unless what is known is too much already", () => {
    expect(judge([line(10, 1), line(1)], 50)).toBe("unknown");
    expect(judge([line(60, 1), line(1)], 50)).toBe("above");
  });

  it("need not be there", () => {
    expect(judge([line(1)])).toBe("none");
  });
});
