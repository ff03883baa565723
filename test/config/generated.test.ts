// Ten thousand generated configurations. Each gives an app, or errors whose places lie inside the text; never another exception.
import fc from "fast-check";
import { expect, test } from "vitest";
import { describeError } from "../../src/cli/print/error.ts";
import { validateText } from "../../src/config/check.ts";
import { LandfallError, type SourcePlace } from "../../src/error.ts";
import { generatedApp } from "./arbitraries.ts";

const RUNS = 10_000;

type Tree = Record<string | number, unknown>;

const odd = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(null, undefined, -1, 1.5, 1e21, true, [], {}, [[]], { type: "postgres" }, "__proto__", "\u001b[31m", "a\nb", "${x}"),
  fc.double(),
);
const mutation = fc.record({
  at: fc.nat(1000),
  kind: fc.constantFrom("rename", "replace", "remove", "add", "wrap"),
  value: odd,
  letter: fc.nat(20),
  key: fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("helth", "__proto__", "constructor", "toString", "")),
});

/** Every object and list of the tree with one of its keys. */
function spots(tree: unknown): { owner: Tree; key: string }[] {
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([key, value]) => [{ owner: tree as Tree, key }, ...spots(value)]);
}

const own = (owner: Tree, key: string, value: unknown) =>
  Object.defineProperty(owner, key, { value, enumerable: true, writable: true, configurable: true });

function mutate(tree: Tree, { at, kind, value, letter, key }: { at: number; kind: string; value: unknown; letter: number; key: string }): void {
  const all = spots(tree);
  const spot = all[at % Math.max(1, all.length)];
  if (!spot) return;
  const old = spot.owner[spot.key];
  if (kind === "replace") own(spot.owner, spot.key, value);
  else if (kind === "wrap") own(spot.owner, spot.key, [old]);
  else if (kind === "add" && !Array.isArray(spot.owner)) own(spot.owner, key, value);
  else if (!Array.isArray(spot.owner)) {
    delete spot.owner[spot.key];
    const cut = letter % Math.max(1, spot.key.length);
    if (kind === "rename") own(spot.owner, spot.key.slice(0, cut) + spot.key.slice(cut + 1), old);
  }
}

/** The value as a literal, with computed names where a plain one would set the prototype. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return typeof value === "number" || value === undefined ? String(value) : JSON.stringify(value);
  return `{\n${Object.entries(value)
    .map(([key, item]) => `${key === "__proto__" ? `["__proto__"]` : JSON.stringify(key)}: ${literal(item)},\n`)
    .join("")}}`;
}

/** Plain comparisons: ten thousand times several problems are many for expect(). */
function misplaced({ code, parts }: LandfallError, lines: string[]): boolean {
  const { line, column, length = 0, text } = parts.where as SourcePlace;
  const inside = column >= 1 && column - 1 + length <= Math.max(1, lines[line - 1]?.length ?? 0);
  return !inside || lines[line - 1] !== text || !code.startsWith("CONFIG_");
}

test("each generated configuration gives an app or placed errors", () => {
  const seen = { valid: 0, wrong: 0 };
  fc.assert(
    fc.property(generatedApp, fc.array(mutation, { maxLength: 3 }), (base, mutations) => {
      const tree = structuredClone(base) as Tree;
      for (const one of mutations) mutate(tree, one);
      const text = `export default ${literal(tree)};\n`;
      const value: unknown = new Function(`return (${literal(tree)});`)();
      try {
        const checked = validateText(text, "landfall.config.ts", value);
        if (checked.name !== tree.name) throw new Error("another name");
        seen.valid++;
      } catch (error) {
        if (!(error instanceof LandfallError)) throw error;
        const lines = text.split(/\r\n|\r|\n/);
        expect([error, ...error.more].filter((one) => misplaced(one, lines))).toEqual([]);
        expect(describeError(error).includes("\u001b")).toBe(false);
        seen.wrong++;
      }
    }),
    { numRuns: RUNS },
  );
  expect(seen.valid).toBeGreaterThan(RUNS / 10);
  expect(seen.wrong).toBeGreaterThan(RUNS / 4);
}, 300_000);
