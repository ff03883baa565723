// What is true of every type of resource: its variables are the same on each target, and a type is nobody's business but its own files'.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";
import { describe, expect, test } from "vitest";
import { validateText } from "../../src/config/check.ts";
import { type Resource, resourceSchema, variablesOf } from "../../src/resources/index.ts";
import { resourceVariables } from "../../src/targets/aws/resources/index.ts";
import { prepareExternal } from "../../src/targets/local/resources/external.ts";
import type { ResourceContext } from "../../src/targets/local/resources/resource.ts";

const TYPES = resourceSchema.options.map(({ shape }) => shape.type.value);
const URLS: Record<Resource["type"], string> = {
  postgres: "postgres://db.example.com/app",
  mysql: "mysql://db.example.com/app",
  cache: "redis://cache.example.com",
  queue: "https://sqs.example.com/1/jobs",
  bucket: "s3://uploads",
};

describe.each(TYPES)("%s", (type) => {
  const own = resourceSchema.parse({ type });
  const given = resourceSchema.parse({ type, url: URLS[type] }) as Resource & { url: string };
  const namesOnAws = (resource: Resource) =>
    resourceVariables({ app: "shop", environment: "production", resources: { "main-one": resource } }, (name, output) => `${name} ${output}`).map(
      ({ name }) => name,
    );

  test("gives the variables on AWS that the configuration knows of", () => {
    expect(namesOnAws(own)).toEqual(variablesOf("main-one", own));
    expect(namesOnAws(given)).toEqual(variablesOf("main-one", given));
  });

  test("gives the same on this machine when it is given by URL", () => {
    const { variables } = prepareExternal("main-one", given, {} as ResourceContext);
    expect(Object.keys(variables.env)).toEqual(variablesOf("main-one", given));
  });
});

test("a database that is given by URL has no variable of a read-only user, and a service may have it as its own", () => {
  const input = {
    name: "shop",
    resources: { database: { type: "postgres", url: "postgres://db.example.com/app" } },
    services: { web: { command: "node web.js", port: 3000, environment: { DATABASE_READONLY_URL: "postgres://reader@db.example.com/app" } } },
  };
  expect(() => validateText(`export default ${JSON.stringify(input)}`, "landfall.config.ts", input)).not.toThrow();
});

describe("the name of a type of resource", () => {
  /**
   * Besides a type's own files: a service is scaled by a queue alone; `init` proposes a Postgres for clients that it knows; prices are asked for
   * by AWS's names; a folder of data is known by what lies in it; a Postgres alone remembers phases; a release's id has what it always had.
   */
  const MAY = [
    /^resources\//,
    /^targets\/[^/]+\/resources\//,
    /^config\/(rules\/)?(scaling|detect-app)/,
    /^targets\/aws\/(prices|resource-types)\//,
    /^targets\/local\/data\/data-record\.ts$/,
    /^targets\/local\/rollout\/database-memory\.ts$/,
    /^release\//,
    /^rehearse\//,
    // Words of S3's protocol.
    /^targets\/local\/object-server\/s3\//,
  ];

  test("decides nothing outside of its own files", () => {
    const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
    const others = files.filter((file) => !MAY.some((own) => own.test(file)) && comparesType(readFileSync(join("src", file), "utf8")));
    expect(others).toEqual([]);
  });

  test("would be found there", () => {
    expect(['if (resource.type === "cache") act();', 'switch (type) { case "queue": act(); }', "const LOGS = ['queue'];"].map(comparesType)).toEqual([
      true,
      true,
      false,
    ]);
  });

  /** Whether the text compares with the name of a type. */
  function comparesType(text: string): boolean {
    const isType = (node: { type?: string; value?: unknown } | null | undefined) => node?.type === "Literal" && TYPES.includes(node.value as never);
    const visit = (node: unknown): boolean => {
      if (Array.isArray(node)) return node.some(visit);
      if (typeof node !== "object" || node === null) return false;
      const { type, operator, left, right, test: matched } = node as Record<string, never>;
      if (type === "BinaryExpression" && /^[=!]==?$/.test(String(operator)) && (isType(left) || isType(right))) return true;
      if (type === "SwitchCase" && isType(matched)) return true;
      return Object.values(node).some(visit);
    };
    return visit(parseSync("x.ts", text).program.body);
  }
});
