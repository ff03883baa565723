import { describe, expect, it } from "vitest";
import { alignRows, describeDuration } from "../../../src/cli/print/format.ts";

describe("durations", () => {
  it.each([
    [0, "0.0 s"],
    [9_940, "9.9 s"],
    [9_950, "10 s"],
    [59_499, "59 s"],
    [59_500, "1 min 0 s"],
    [3_599_000, "59 min 59 s"],
    [3_600_000, "1 h 0 min"],
    [86_400_000 * 3 + 3_600_000, "3 d 1 h"],
  ])("%d ms is %s", (durationMs, text) => expect(describeDuration(durationMs)).toBe(text));
});

describe("rows", () => {
  it("are aligned, without spaces at the end", () => {
    expect(
      alignRows([
        ["a", "bbb", ""],
        ["aaaa", "b", "c"],
      ]),
    ).toEqual(["a     bbb", "aaaa  b    c"]);
  });
});
