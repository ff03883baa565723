import { describe, expect, it } from "vitest";
import { alignRows } from "../../../src/cli/print/format.ts";

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
