import { expect, it } from "vitest";
import { forTerminal, visible } from "../../../src/cli/print/visible.ts";

it.each([
  ["title, cursor and screen", "\u001b]0;owned\u0007a\u001b[2J\u001b[1;1Hb", "^[]0;owned^Ga^[[2J^[[1;1Hb"],
  ["going back over what stands", "all is well\rgone\b\b", "all is well^Mgone^H^H"],
  ["the one-byte spellings", "\u009b2J\u0090q\u009c", "\\u009b2J\\u0090q\\u009c"],
  ["the direction of writing", "a\u202eb\u2066c", "a\\u202eb\\u2066c"],
  ["what is no text but harmless", "a\tb\r\nc\u00a0é😀", "a\tb\nc\u00a0é😀"],
])("nothing is obeyed: %s", (_, said, shown) => {
  expect(forTerminal(said, { color: true })).toBe(shown);
  expect(visible(said)).toBe(shown);
});

it("colours are let through and end with their line", () => {
  expect(forTerminal("\u001b[31mred\nplain \u001b[1mbold\u001b[22m", { color: true })).toBe("\u001b[31mred\u001b[0m\nplain \u001b[1mbold\u001b[22m");
  expect(forTerminal("\u001b[31mred\u001b[0m", { color: false })).toBe("red");
});
