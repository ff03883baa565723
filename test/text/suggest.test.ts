import { describe, expect, test } from "vitest";
import { suggest, suggestions } from "../../src/text/suggest.ts";

describe("the word that was meant", () => {
  test.each([
    ["prot", ["port", "health"], "port"],
    ["helthCheck", ["health", "healing"], "health"],
    ["HEALTH", ["health"], "health"],
    ["v1.2", ["v1.2.0", "v2.0.0"], "v1.2.0"],
    ["login", ["feature/login", "main"], "feature/login"],
    ["servces", ["services", "service"], "services"],
  ])("%s is of %j %s", (given, known, meant) => expect(suggest(given, known)).toBe(meant));

  test.each([
    ["xyzzy", ["port", "path"]],
    ["p", ["port", "path"]],
    ["ab", ["cd"]],
    ["x".repeat(61), ["x".repeat(60)]],
  ])("of %s is none", (given, known) => expect(suggest(given, known)).toBeUndefined());

  test("the nearest comes first, and three at most", () =>
    expect(suggestions("weba", ["webb", "web", "webc", "webd", "worker"])).toEqual(["webb", "web", "webc"]));
});
