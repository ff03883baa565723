import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeDuration, describeElapsed, parseDuration, parseSize } from "../../src/text/units.ts";

describe("a duration", () => {
  test.each([
    ["500ms", 500],
    ["1.5s", 1_500],
    ["90s", 90_000],
    ["1m30s", 90_000],
    ["1h30m", 5_400_000],
    ["1d12h", 129_600_000],
    ["0s", 0],
  ])("%s is read as %d ms", (text, durationMs) => expect(parseDuration(text)).toBe(durationMs));

  test.each(["", "5", "s", "1 s", "-1s", "1m1h", "1s1s", "1w", "1e3s", "NaNs", ".5s", "1.s", "99999999999999d"])("is not %j", (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  test.each([
    [0, "0s"],
    [999, "999ms"],
    [1_500, "1.5s"],
    [90_000, "1m30s"],
    [61_500, "1m1.5s"],
    [86_400_000 * 35, "35d"],
  ])("of %d ms is written %s", (durationMs, text) => expect(describeDuration(durationMs)).toBe(text));

  test("that was written is read as the same", () => {
    fc.assert(fc.property(fc.nat(2 ** 45), (durationMs) => parseDuration(describeDuration(durationMs)) === durationMs));
  });
});

describe("a measured time", () => {
  test.each([
    [0, "0s"],
    [449, "400ms"],
    [9_940, "9.9s"],
    [9_950, "10s"],
    [59_499, "59s"],
    [59_500, "1m"],
    [3_599_000, "59m59s"],
    [3_600_000, "1h"],
    [8_000_000, "2h13m"],
    [86_400_000 * 3 + 3_600_000, "3d1h"],
  ])("of %d ms is shown as %s", (durationMs, text) => expect(describeElapsed(durationMs)).toBe(text));
});

test.each([
  ["1B", 1],
  ["1.5GiB", 1_610_612_736],
  ["64KB", 64_000],
  ["64", undefined],
  ["1TB", undefined],
  ["-1MB", undefined],
])("a size: %s", (text, bytes) => expect(parseSize(text)).toBe(bytes));
