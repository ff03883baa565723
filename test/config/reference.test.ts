import { describe, expect, test } from "vitest";
import { validateText } from "../../src/config/check.ts";
import { keysOf } from "../../src/config/describe-schema.ts";
import { appSchema } from "../../src/config/schema.ts";
import { ERROR_CODES } from "../../src/error.ts";

const keys = keysOf(appSchema);

describe("every key", () => {
  test.each(keys.map((key) => [key.path, key] as const))("%s says what it is for and what it takes", (_, { about, type }) => {
    expect(about).toMatch(/\S.*[.)]$/);
    expect(type).not.toMatch(/undefined|unknown|^$/);
  });

  test("is found, down to the deepest", () => {
    expect(keys.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        "name",
        "services.<name>.health.path",
        "services.<name>.instances.min",
        "resources.<name>.memory",
        "routes[].basicAuth.password",
        "environments.<name>.tls.key",
      ]),
    );
    expect(keys.find(({ path }) => path === "resources.<name>.memory")).toMatchObject({
      only: "cache",
      absence: { kind: "default", value: "64MB" },
      type: expect.stringMatching(/^a size/),
    });
  });

  test("has an example that is accepted", () => {
    const examples = keys.filter(({ path, example }) => example && /^(recipe\.\w+|services\.<name>\.\w+)$/.test(path));
    expect(examples.length).toBeGreaterThan(3);
    for (const { path, example } of examples) {
      const [section = "", ...rest] = path.split(".");
      const value: unknown = new Function(`return (${example})`)();
      const isJob = rest.at(-1) === "schedule";
      const web = { command: "x", ...(isJob ? {} : { port: 1 }), ...(section === "services" ? { [rest.at(-1) as string]: value } : {}) };
      const app = { name: "a", services: { web }, ...(section === "recipe" ? { recipe: { [rest[0] as string]: value } } : {}) };
      expect(() => validateText(`export default ${JSON.stringify(app)}`, "a.ts", app), path).not.toThrow();
    }
  });
});

test("every error code says what it means, as a sentence", () => {
  for (const [code, { about }] of Object.entries(ERROR_CODES)) expect(about, code).toMatch(/^[A-Z`].*\.$/);
});
