import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findConfig, loadConfig } from "../../src/config/load.ts";
import { errorOf, folderWith, textOf } from "./folders.ts";

const SMALL = 'export default { name: "small", services: { web: { command: "x", port: 1 } } };\n';

describe("findConfig", () => {
  test.each(["landfall.config.ts", "landfall.config.mts", "landfall.config.js", "landfall.config.mjs"])(
    "finds %s in the folder and in those above",
    (name) => {
      const folder = folderWith({ [name]: SMALL, "deep/er/readme": "" });
      expect(findConfig(folder)).toBe(join(folder, name));
      expect(findConfig(join(folder, "deep/er"))).toBe(join(folder, name));
    },
  );

  test("follows the key of a package.json to the app's folder", () => {
    const folder = folderWith({ "package.json": '{"landfall": "apps/shop"}', "apps/shop/landfall.config.ts": SMALL, "lib/readme": "" });
    expect(findConfig(join(folder, "lib"))).toBe(join(folder, "apps/shop/landfall.config.ts"));
  });

  test("prefers a configuration beside the package.json, and passes over one that cannot be parsed or names nothing", () => {
    const folder = folderWith({
      "landfall.config.ts": SMALL,
      "package.json": '{"landfall": "gone"}',
      "a/package.json": "{",
      "b/package.json": '{"landfall": {}}',
    });
    for (const below of ["", "a", "b"]) expect(findConfig(join(folder, below))).toBe(join(folder, "landfall.config.ts"));
  });

  test("says where it looked", async () => {
    const folder = folderWith({});
    expect(await textOf(() => findConfig(folder), folder)).toMatchInlineSnapshot(`
      "error: no landfall.config.ts in "/app" or above it  CONFIG_NOT_FOUND

        Looked for landfall.config.ts, landfall.config.mts, landfall.config.js, landfall.config.mjs, and for the key "landfall" in package.json.
        Nothing was changed.
        Next: landfall init"
    `);
  });

  test("says when the key of package.json names a folder without one", async () => {
    const folder = folderWith({ "package.json": '{"landfall": "apps/shop"}' });
    expect(await textOf(() => findConfig(folder), folder)).toMatchInlineSnapshot(`
      "error: no landfall.config.ts in the folder "apps/shop"                        CONFIG_NOT_FOUND

        package.json

        The key "landfall" of this package.json says that the app is there.
        Nothing was changed.
        Next: correct the key, or run  landfall init  in apps/shop"
    `);
  });

  test("says when the folder itself is not there", async () => {
    const folder = folderWith({});
    expect(await textOf(() => findConfig(join(folder, "gone")), folder)).toMatchInlineSnapshot(`
      "error: there is no folder "/app/gone"  CONFIG_NOT_FOUND

        The configuration is looked for in a folder and in those above it.
        Nothing was changed."
    `);
  });
});

describe("loadConfig", () => {
  test("fills in the defaults, and needs no landfall among the app's dependencies", async () => {
    const folder = folderWith({
      "landfall.config.ts":
        'import { defineApp } from "landfall";\nconst PORT: number = 3000;\nexport default defineApp({ name: "small", services: { web: { command: "x", port: PORT } } });\n',
    });
    const { app, ...rest } = await loadConfig(join(folder, "landfall.config.ts"));
    expect(rest).toEqual({ file: join(folder, "landfall.config.ts"), folder });
    expect(app.services.web).toMatchObject({
      command: "x",
      port: 3000,
      health: { path: "/", startupTimeout: 60_000 },
      instances: { min: 1, max: 1 },
    });
    expect(Object.keys(app.environments)).toEqual(["local"]);
  });

  test.each([
    ["landfall.config.mts", SMALL],
    ["landfall.config.mjs", SMALL],
    ["landfall.config.js", SMALL],
    ["landfall.config.js", SMALL.replace("export default", "module.exports =")],
    ["landfall.config.ts", `\uFEFF${SMALL}`],
    ["landfall.config.ts", SMALL.replace(";\n", " as const;\r\n")],
    ["landfall.config.ts", SMALL.replace("export default", "const app =").concat("export { app as default };\n")],
  ])("reads %s: %j", async (name, text) => {
    const { app } = await loadConfig(join(folderWith({ [name]: text }), name));
    expect(app.name).toBe("small");
  });

  test("evaluates anew each time, imported files too", async () => {
    const folder = folderWith({
      "landfall.config.ts": 'import { name } from "./name.ts";\nexport default { name, services: { web: { command: "x", port: 1 } } };\n',
      "name.ts": 'export const name: string = "one";\n',
    });
    expect((await loadConfig(join(folder, "landfall.config.ts"))).app.name).toBe("one");
    writeFileSync(join(folder, "name.ts"), 'export const name: string = "two";\n');
    expect((await loadConfig(join(folder, "landfall.config.ts"))).app.name).toBe("two");
  });
});

describe("errors before the app is known, whole", () => {
  test("CONFIG_SYNTAX", async () => {
    expect(await errorOf('export default {\n  name: "a",\n  services: }\n')).toMatchInlineSnapshot(`
      "error: "landfall.config.ts" cannot be parsed: unexpected token                   CONFIG_SYNTAX

        landfall.config.ts:3:13
          3 |   services: }
            |             ^

        The text ends or turns where TypeScript does not allow it.
        Nothing was changed.
        Next: correct the line, then run  landfall check"
    `);
  });

  test("CONFIG_SYNTAX at the end of the text", async () => {
    expect(await errorOf('export default {\n  name: "a",\n')).toMatchInlineSnapshot(`
      "error: "landfall.config.ts" cannot be parsed: expected \`}\` but found \`EOF\`       CONFIG_SYNTAX

        landfall.config.ts:3:1
          3 |
            | ^

        The text ends or turns where TypeScript does not allow it.
        Nothing was changed.
        Next: correct the line, then run  landfall check"
    `);
  });

  test("CONFIG_THREW in the file itself", async () => {
    expect(
      await errorOf(
        'const port = (): number => {\n  throw new Error("no port");\n};\nexport default { name: "a", services: { web: { command: "x", port: port() } } };\n',
      ),
    ).toMatchInlineSnapshot(`
      "error: "landfall.config.ts" failed while it was evaluated                         CONFIG_THREW

        landfall.config.ts:2:9
          2 |   throw new Error("no port");
            |         ^^^

        Error: no port
        Nothing was changed.
        Next: correct what failed, then run  landfall check"
    `);
  });

  test("CONFIG_THREW by an import that is not there", async () => {
    expect(await errorOf('import { x } from "./gone.ts";\nexport default x;\n')).toMatchInlineSnapshot(`
      "error: "landfall.config.ts" failed while it was evaluated                         CONFIG_THREW

        landfall.config.ts:1:19
          1 | import { x } from "./gone.ts";
            |                   ^^^^^^^^^^^

        Error: Cannot find module './gone.ts'
        Nothing was changed.
        Next: correct what failed, then run  landfall check"
    `);
  });

  test("CONFIG_THREW with a value that is no Error", async () => {
    expect(await errorOf('throw "stop";\n')).toMatchInlineSnapshot(`
      "error: "landfall.config.ts" failed while it was evaluated                         CONFIG_THREW

        landfall.config.ts

        a value that is no Error: stop
        Nothing was changed.
        Next: correct what failed, then run  landfall check"
    `);
  });

  test("CONFIG_NOT_DEFINED without a default export", async () => {
    expect(await errorOf('export const app = { name: "a" };\n')).toMatchInlineSnapshot(`
      "error: "landfall.config.ts" has no default export                           CONFIG_NOT_DEFINED

        landfall.config.ts

        Landfall reads the app from the file's default export, an object.
        Nothing was changed.
        Next: write  export default defineApp({ ... }), then run  landfall check"
    `);
  });

  test("CONFIG_NOT_DEFINED with something else", async () => {
    expect(await errorOf('import { defineApp } from "landfall";\nexport default defineApp;\n')).toMatchInlineSnapshot(`
      "error: the default export of "landfall.config.ts" is a function, not an app  CONFIG_NOT_DEFINED

        landfall.config.ts:2:16
          2 | export default defineApp;
            |                ^^^^^^^^^

        Landfall reads the app from the file's default export, an object.
        Nothing was changed.
        Next: write  export default defineApp({ ... }), then run  landfall check"
    `);
  });

  test("CONFIG_NOT_FOUND for a path that does not exist", async () => {
    const folder = folderWith({});
    expect(await textOf(() => loadConfig(join(folder, "other.config.ts")), folder)).toMatchInlineSnapshot(`
      "error: there is no file "/app/other.config.ts"  CONFIG_NOT_FOUND

        The configuration was asked for by this path.
        Nothing was changed.
        Next: landfall init"
    `);
  });

  test("CONFIG_UNREADABLE for a folder in its place", async () => {
    const folder = folderWith({});
    mkdirSync(join(folder, "landfall.config.ts"));
    const text = await textOf(() => loadConfig(join(folder, "landfall.config.ts")), folder);
    expect(text).toMatchInlineSnapshot(`
      "error: the configuration "landfall.config.ts" could not be read              CONFIG_UNREADABLE

        landfall.config.ts

        EISDIR: illegal operation on a directory.
        Nothing was changed."
    `);
  });

  test("CONFIG_UNREADABLE with mode 000", async () => {
    const folder = folderWith({ "landfall.config.ts": SMALL });
    chmodSync(join(folder, "landfall.config.ts"), 0o000);
    const text = await asNobody(folder, () => textOf(() => loadConfig(join(folder, "landfall.config.ts")), folder));
    expect(text.replace(/id \d+/g, "id 1000")).toMatchInlineSnapshot(`
      "error: the configuration "landfall.config.ts" could not be read              CONFIG_UNREADABLE

        landfall.config.ts

        EACCES: permission denied.
        Its mode is 000 and its owner's id 1000; this process has the id 1000.
        Nothing was changed.
        Next: chmod u+r /app/landfall.config.ts"
    `);
  });
});

/** Root reads every file; for such a test it is another user for a moment. */
async function asNobody<T>(folder: string, act: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return act();
  chmodSync(folder, 0o755);
  process.seteuid?.(65534);
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
  }
}
