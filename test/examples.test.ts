// Every @example of the source is run in an app's own folder, with what its file exports in scope: `expression // value` gives that value, any
// other runs to its end.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { change, makeSandbox } from "./end-to-end/sandbox.ts";

const src = join(dirname(dirname(fileURLToPath(import.meta.url))), "src");
const EXAMPLE = /@example\s+([\s\S]*?)(?=\n\s*\*\s*(?:@|\/)|\*\/)/g;

interface Example {
  file: string;
  code: string;
  value?: string;
}

const examples: Example[] = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .sort()
  .flatMap((file) => [...readFileSync(join(src, file), "utf8").matchAll(EXAMPLE)].map(([, text = ""]) => ({ file, ...parseExample(text) })));

const sandbox = makeSandbox();
const [folder, home] = [process.cwd(), process.env.LANDFALL_HOME];

beforeAll(() => {
  const app = sandbox.copyApp("test/fixtures/apps/hello");
  change(app, "package.json", JSON.stringify({ name: "hello", type: "module", scripts: { start: "node server.js" } }));
  process.chdir(app);
  process.env.LANDFALL_HOME = sandbox.home;
});
afterAll(async () => {
  process.chdir(folder);
  if (home === undefined) delete process.env.LANDFALL_HOME;
  else process.env.LANDFALL_HOME = home;
  await sandbox.dispose();
});

describe("the examples in the source", () => {
  it("are found", () => expect(examples.length).toBeGreaterThan(5));

  it.each(examples)("$file: $code", async ({ file, code, value }) => {
    const scope = await import(join(src, file));
    const result = await evaluate(code, scope);
    if (value !== undefined) expect(result).toEqual(await evaluate(value, {}));
  });
});

function parseExample(text: string): Omit<Example, "file"> {
  const line = text.replaceAll(/\s*\n\s*\*\s*/g, " ").trim();
  const [code = "", value] = line.split(/;?\s+\/\/ /);
  return { code, value };
}

function evaluate(code: string, scope: Record<string, unknown>): Promise<unknown> {
  const AsyncFunction = (async () => {}).constructor as new (...words: string[]) => (...values: unknown[]) => Promise<unknown>;
  const body = /^(const|for) /.test(code) ? code : `return (${code});`;
  return new AsyncFunction(...Object.keys(scope), body)(...Object.values(scope));
}
