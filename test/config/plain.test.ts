// Which configurations are evaluated without a module loader, and that it makes no difference to what they give and to where errors are.
import { describe, expect, test } from "vitest";
import { asFunction } from "../../src/config/plain.ts";
import { parseSource } from "../../src/config/source.ts";

const FILE = "/app/landfall.config.ts";
const given = { defineApp: (app: object) => ({ ...app, defined: true }) };
const evaluate = (text: string): unknown => asFunction(parseSource(text, FILE), 1_000)?.(given);

describe("plain are", () => {
  test.each([
    ["a value", "export default { name: 'shop' };", { name: "shop" }],
    ["a call of defineApp", 'import { defineApp } from "landfall";\nexport default defineApp({ name: "shop" });', { name: "shop", defined: true }],
    ["another name for it", 'import { defineApp as app } from "landfall";\nexport default app({});', { defined: true }],
    ["values before it", "const name = 'shop';\nexport default { name };", { name: "shop" }],
    ["an import of several lines", 'import {\n  defineApp,\n} from "landfall";\nexport default defineApp({});', { defined: true }],
    [
      "characters of two units",
      'import { defineApp } from "landfall";\n// 🚀\nexport default defineApp({ name: "🚀" });',
      { name: "🚀", defined: true },
    ],
  ])("%s", (_, text, value) => {
    expect(evaluate(text)).toEqual(value);
  });
});

describe("not plain are", () => {
  test.each([
    ["types", "const name: string = 'shop';\nexport default { name };"],
    ["type arguments, which read as comparisons too", 'import { defineApp } from "landfall";\nexport default defineApp<object>({});'],
    ["assertions", "export default { name: 'shop' } as const;"],
    ["types that are imported", 'import { type App, defineApp } from "landfall";\nexport default defineApp({});'],
    ["another import", 'import { name } from "./name.ts";\nexport default { name };'],
    ["the environment", "export default { name: process.env.NAME };"],
    ["everything of landfall", 'import * as landfall from "landfall";\nexport default landfall.defineApp({});'],
    ["another export", "export const name = 'shop';\nexport default { name };"],
    ["a function", "export default function app() {}"],
    ["statements after the export", "export default { name };\nvar name = 'shop';"],
    ["no default export", "const name = 'shop';"],
  ])("%s", (_, text) => {
    expect(asFunction(parseSource(text, FILE), 1_000)).toBeUndefined();
  });
});

test("what it throws is where the text has it", () => {
  const text = 'import {\n  defineApp,\n} from "landfall";\nconst app = defineApp({});\nexport default app.services.web;';
  const thrown = (() => {
    try {
      return evaluate(text);
    } catch (error) {
      return error;
    }
  })();
  expect((thrown as Error).stack).toContain(`${FILE}:5:29`);
});
