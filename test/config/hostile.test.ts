// Hostile text in every place of a configuration that takes text, names too. What passes is given to all that reads a configuration without acting:
// no crash, and no header, directive or path of ours that it breaks out of.
import fc from "fast-check";
import { expect, test } from "vitest";
import { describeError } from "../../src/cli/print/error.ts";
import { validateText } from "../../src/config/check.ts";
import { deploymentOf } from "../../src/config/deployment.ts";
import type { App } from "../../src/config/schema.ts";
import { LandfallError } from "../../src/error.ts";
import { listParts } from "../../src/release/parts.ts";
import { placeRoutes, webServices } from "../../src/routing/placement.ts";
import { compileProxy } from "../../src/routing/proxy.ts";
import { compileRoutes } from "../../src/routing/rules.ts";
import { awsNotes } from "../../src/targets/aws/queries/check-notes.ts";
import { generatedApp } from "./arbitraries.ts";

const RUNS = 500;

const hostile = fc.oneof(
  fc.constantFrom(
    ..."'; rm -rf / #|$(id)|`id`|\"|\\|../../etc|/../..|%00|%zz|%2e%2e/|{{x}}|${jndi:x}|__proto__|constructor|toString|-rf|--help|*|**|?|[|(|+|..|.|/|//|:|@|#".split(
      "|",
    ),
    "\0",
    "a\0b",
    "\r\nSet-Cookie: a=b",
    "a\nb",
    "\t",
    " ",
    "",
    "\u001b[31m",
    "\u202e",
    "\ud800",
    "é🎉",
    "😀".repeat(100),
    "a".repeat(70_000),
    "9".repeat(400),
  ),
  fc.string({ unit: "binary", maxLength: 12 }),
);

interface Spot {
  owner: Record<string, unknown>;
  key: string;
}

/** Every text of the tree, and every name that the author of a configuration chooses. */
function spotsOf(tree: object, isNamed = false): (Spot & { isName: boolean })[] {
  const owner = tree as Record<string, unknown>;
  return Object.entries(tree).flatMap(([key, value]) => [
    ...(typeof value === "string" ? [{ owner, key, isName: false }] : []),
    ...(isNamed ? [{ owner, key, isName: true }] : []),
    ...(typeof value === "object" && value !== null
      ? spotsOf(value, !Array.isArray(value) && ["services", "resources", "environments", "environment", "headers"].includes(key))
      : []),
  ]);
}

function strike(tree: object, at: number, text: string): void {
  const spots = spotsOf(tree);
  const spot = spots[at % spots.length];
  if (!spot) return;
  const { owner, key, isName } = spot;
  const value = isName ? owner[key] : text;
  if (isName) delete owner[key];
  Object.defineProperty(owner, isName ? text : key, { value, enumerable: true, writable: true, configurable: true });
}

function readAll(app: App): void {
  for (const name of Object.keys(app.environments)) {
    const deployment = deploymentOf(app, name);
    listParts(deployment);
    const rule = compileRoutes(deployment.routes.map(({ basicAuth: _, ...route }) => route));
    for (const path of ["/", "/a/b", "/%2e%2e/", "//"]) rule(path, "www.example.com", path);
    placeRoutes(deployment.routes);
    awsNotes(deployment);
    for (const service of webServices(deployment)) expect(compileProxy(deployment, service).rules).not.toMatch(/\0|\r/);
  }
}

test("hostile text anywhere gives an app that all can read, or errors", () => {
  const seen = { valid: 0, wrong: 0 };
  fc.assert(
    fc.property(generatedApp, fc.array(fc.tuple(fc.nat(10_000), hostile), { minLength: 1, maxLength: 2 }), (base, strikes) => {
      const tree = structuredClone(base);
      for (const [at, text] of strikes) strike(tree, at, text);
      try {
        readAll(validateText("export default {};\n", "landfall.config.ts", tree));
        seen.valid++;
      } catch (error) {
        if (!(error instanceof LandfallError)) throw error;
        expect(error.code).toMatch(/^CONFIG_/);
        expect(describeError(error)).not.toMatch(/[\0\r\u001b]/);
        seen.wrong++;
      }
    }),
    { numRuns: RUNS },
  );
  expect(seen.valid).toBeGreaterThan(RUNS / 50);
  expect(seen.wrong).toBeGreaterThan(RUNS / 10);
});
