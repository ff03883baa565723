// Every error code is raised by the source and asserted by a test. Both are read from syntax trees, so that a comment, the name of a
// test or an error made by hand proves nothing.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";
import { expect, it } from "vitest";
import { ERROR_CODES } from "../src/error.ts";

interface Node {
  type: string;
  [property: string]: unknown;
}

const codes = Object.keys(ERROR_CODES);
const root = join(import.meta.dirname, "..");

/** What is said positively of something expected: the arguments of matchers. And the rows of a table of cases, which end there. */
function assertedIn(program: Node): string[] {
  return nodesOf(program).flatMap((node) => (isMatcher(node) || isTable(node) ? (node.arguments as Node[]).flatMap(textsIn) : []));
}

/** `expect(x).toBe(...)`, also through `.rejects`, not through `.not`. */
function isMatcher(node: Node): boolean {
  if (node.type !== "CallExpression") return false;
  let at = node.callee as Node;
  if (at.type !== "MemberExpression") return false;
  for (; at.type === "MemberExpression"; at = at.object as Node) if ((at.property as { name?: string }).name === "not") return false;
  return at.type === "CallExpression" && nameOf(at.callee as Node) === "expect";
}

const isTable = (node: Node): boolean =>
  node.type === "CallExpression" && nameOf(node.callee as Node) === "each" && (node.callee as Node).type === "MemberExpression";

const nameOf = (node: Node): unknown => (node.name as string | undefined) ?? (node.property as { name?: string } | undefined)?.name;

function nodesOf(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(nodesOf);
  if (typeof value !== "object" || value === null) return [];
  const below = Object.values(value).flatMap(nodesOf);
  return "type" in value ? [value as Node, ...below] : below;
}

/** The texts of string literals, of regular expressions, and of the fixed parts of templates. */
const textsIn = (node: Node): string[] =>
  nodesOf(node).flatMap((one) => {
    if (one.type === "Literal") return typeof one.value === "string" ? [one.value] : [(one.regex as { pattern: string } | undefined)?.pattern ?? ""];
    return one.type === "TemplateElement" ? [(one.value as { cooked: string }).cooked] : [];
  });

function codesWithout(folder: string, pattern: RegExp, read: (program: Node) => string[]): string[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).filter((name) => pattern.test(name));
  const texts = files.flatMap((name) => read(parseSync(name, readFileSync(join(root, folder, name), "utf8")).program as unknown as Node));
  expect(texts.length).toBeGreaterThan(0);
  const words = new Set(texts.flatMap((text) => text.match(/\b[A-Z][A-Z_]+\b/g) ?? []));
  return codes.filter((code) => !words.has(code));
}

it("each error code is raised by the source", () => {
  expect(codesWithout("src", /(?<!^error)\.ts$/, textsIn)).toEqual([]);
});

it("each error code is asserted by some test", () => {
  expect(codesWithout("test", /\.test\.ts$/, assertedIn)).toEqual([]);
});

it("a comment, a name, a fixture and a negation assert nothing", () => {
  const text = `// expect(code).toBe("USAGE")
    it("is USAGE", () => { const made = new LandfallError({ code: "USAGE" }); expect("USAGE"); expect(made).not.toBe("USAGE"); });`;
  expect(assertedIn(parseSync("a.ts", text).program as unknown as Node)).toEqual([]);
  const asserting = `await expect(x).rejects.toMatchObject({ code: "USAGE" }); it.each([["ONLY_ON_AWS"]])("%s", () => {}); expect(y).toMatch(/X/);`;
  expect(assertedIn(parseSync("a.ts", asserting).program as unknown as Node)).toEqual(["USAGE", "ONLY_ON_AWS", "X"]);
});
