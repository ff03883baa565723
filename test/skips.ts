import { describe } from "vitest";

/**
 * A `describe` that is skipped, with its reason in the report, when something the machine must bring is not there.
 * With LANDFALL_CI_STRICT=1 the suite runs anyway and fails: a continuous-integration run may not pass by skipping.
 *
 * @example requires("redis-server on PATH", hasRedis)("cache", () => { ... })
 */
export function requires(reason: string, present: boolean): (name: string, body: () => void) => void {
  const strict = process.env.LANDFALL_CI_STRICT === "1";
  return (name, body) => describe.skipIf(!present && !strict)(present ? name : `${name} (needs ${reason})`, body);
}
