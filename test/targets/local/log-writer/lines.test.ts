import { describe, expect, test } from "vitest";
import { LINE_BYTES_MAX, LineCutter } from "../../../../src/targets/local/log-writer/lines.ts";

const cut = (...chunks: string[]) => {
  const cutter = new LineCutter();
  return [...chunks.flatMap((chunk) => cutter.add(Buffer.from(chunk))), ...cutter.finish()];
};
const lines = (...chunks: string[]) => cut(...chunks).map(({ line }) => line);

describe("what a program writes", () => {
  test("becomes lines when they are whole, and the rest at its end", () => {
    const cutter = new LineCutter();
    expect(cutter.add(Buffer.from("one\r\ntw"))).toEqual([{ line: "one" }]);
    expect(cutter.add(Buffer.from("o"))).toEqual([]);
    expect(cutter.add(Buffer.from("\n\nlast"))).toEqual([{ line: "two" }, { line: "" }]);
    expect(cutter.finish()).toEqual([{ line: "last" }]);
    expect(cutter.finish()).toEqual([]);
    expect(lines("a\r", "\nb\r\r\n", "\n")).toEqual(["a", "b\r", ""]);
  });

  test("in characters that a chunk ends within is whole again", () => {
    const cutter = new LineCutter();
    for (const byte of Buffer.from("\u20ac\u{1f600}")) expect(cutter.add(Buffer.from([byte]))).toEqual([]);
    expect(cutter.add(Buffer.from("\n"))).toEqual([{ line: "\u20ac\u{1f600}" }]);
  });

  test("in lines over 64 KB is cut between characters, and nothing of it is lost", () => {
    // Three bytes each, so that the limit lies within a character.
    const long = "\u20ac".repeat(LINE_BYTES_MAX);
    const all = cut(`before\n${long}\nafter\n`);
    expect(all[0]?.line).toBe("before");
    expect(all.at(-1)?.line).toBe("after");
    const parts = all.slice(1, -1);
    expect(parts.map(({ line }) => line).join("")).toBe(long);
    expect(parts.map(({ part }) => part ?? false)).toEqual([true, true, true, false]);
    expect(parts.every(({ line }) => Buffer.byteLength(line) <= LINE_BYTES_MAX)).toBe(true);
  });

  test("without any line break does not pile up in memory", () => {
    const cutter = new LineCutter();
    const parts = Array.from({ length: 400 }, () => cutter.add(Buffer.alloc(500, "x"))).flat();
    expect(parts.map(({ line }) => line.length)).toEqual([LINE_BYTES_MAX, LINE_BYTES_MAX, LINE_BYTES_MAX]);
    expect(cutter.finish({ isPart: true })).toEqual([{ line: "x".repeat(400 * 500 - 3 * LINE_BYTES_MAX), part: true }]);
  });
});
