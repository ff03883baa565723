// Numbers, durations and sizes of the configuration have a range each: none is endless, and none is nothing where nothing makes no sense.
import { describe, expect, test } from "vitest";
import { validateText } from "../../src/config/check.ts";
import { keysOf } from "../../src/config/describe-schema.ts";
import { appSchema } from "../../src/config/schema.ts";
import { LandfallError } from "../../src/error.ts";

/** A timer of Node's that is given more fires at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;
/** What AWS keeps or compares for so long, and no timer of ours waits for. */
const ONLY_AWS = ["resources.<name>.backups", "environments.<name>.resources.<name>.backups", "environments.<name>.logs.keep"];

const keys = keysOf(appSchema);
const NUMERIC = /\ba ((whole )?number|duration|size)\b/;
const numeric = keys.filter(({ type }) => NUMERIC.test(type));

/** An app with this value at the key, and with all that must be there beside it. */
function problemOf(path: string, value: unknown, only?: string): string {
  const inner = path
    .split(".")
    .reverse()
    .reduce<unknown>((rest, step) => (step === "[]" ? [rest] : { [step === "<name>" ? "one" : step]: rest }), value) as Record<string, unknown>;
  const app = merge({ name: "a", services: { one: { command: "x", port: 1 } }, ...(only && { resources: { one: { type: only } } }) }, inner);
  if (path.startsWith("environments.")) merge(app, { environments: { one: { target: "local" } } });
  try {
    validateText(`export default ${JSON.stringify(app)}`, "landfall.config.ts", app);
  } catch (error) {
    if (!(error instanceof LandfallError)) throw error;
    return [error, ...error.more].map(({ parts }) => parts.what).join("\n");
  }
  return "";
}

function merge(into: Record<string, unknown>, from: Record<string, unknown>): Record<string, unknown> {
  for (const [key, value] of Object.entries(from)) {
    const own = into[key];
    into[key] = isObject(own) && isObject(value) ? merge(own, value) : (value ?? own);
  }
  return into;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

describe("every number, duration and size", () => {
  test("is looked at", () => expect(numeric.length).toBeGreaterThan(50));

  test.each(numeric.map(({ path, type, only }) => [path, type, only] as const))("%s has a range", (_, type) => {
    const parts = type.split(", or ").filter((part) => NUMERIC.test(part));
    for (const part of parts) expect(part).toMatch(/ from \S+ to [^,\s]+/);
  });

  test.each(numeric.filter(({ type }) => /duration/.test(type)).map(({ path, only }) => [path, only] as const))(
    "%s is never longer than a timer can wait",
    (path, only) => {
      if (ONLY_AWS.includes(path)) return;
      expect(problemOf(path, "25d", only)).toContain("25d");
      expect(TIMER_MAX_MS).toBeLessThan(25 * 86_400_000);
    },
  );
});

test.each([
  ["services.<name>.health.interval", "0s"],
  ["services.<name>.health.timeout", "0ms"],
  ["services.<name>.health.startupTimeout", "0s"],
  ["services.<name>.drain.timeout", "30d"],
  ["release.timeout", "0s"],
  ["release.timeout", "30d"],
  ["environments.<name>.limits.body", "0B"],
  ["environments.<name>.limits.headerTimeout", "0s"],
  ["resources.<name>.memory", "0B", "cache"],
  ["rollout.batch", 1001],
  ["rollout.batch", 0],
])("%s: %j is refused", (path, value, only?: string) => expect(problemOf(path, value, only)).toMatch(/^wrong value for /));
