// What a rehearsal reads out of the templates: machines are started, counted and replaced as the group on AWS would do it.
import { describe, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { compileFleets } from "../../src/rehearse/fleet-template.ts";
import { production, SMALL } from "../targets/aws/templates/apps.ts";

const APP: AppInput = {
  ...SMALL,
  services: {
    web: { command: "node server.js", port: 3000, instances: { min: 4, max: 8 } },
    scheduler: { command: "node scheduler.js", singleton: true },
    nightly: { command: "node report.js", schedule: "15 3 * * *" },
  },
};
const fleet = { release: "4be019", image: "3f463f-arm64", script: "exec /usr/local/lib/landfall/boot\n" };
const look = (output: string) => `the ${output}`;

const sizesOf = (rollout: AppInput["rollout"]) =>
  Object.fromEntries(
    compileFleets(production({ ...APP, rollout }), { web: { blue: fleet }, scheduler: { blue: fleet }, nightly: { blue: fleet } }, look).map(
      ({ service, count, batch, surge }) => [service, { count, batch, surge }],
    ),
  );

describe("a fleet of a rehearsal", () => {
  it("is as large, and replaced in such batches, as its group would be", () => {
    const alone = { count: 1, batch: 1, surge: false };
    expect(sizesOf({ batch: "50%" })).toEqual({ web: { count: 4, batch: 2, surge: true }, scheduler: alone, nightly: alone });
    expect(sizesOf({ batch: 1, surge: false }).web).toEqual({ count: 4, batch: 1, surge: false });
  });

  it("has a number of its own where the plan says so, as a canary does, and user data of its slot", () => {
    const instances = { min: 1, max: 1 };
    const app = production({ ...APP, rollout: { strategy: "canary" } });
    const fleets = compileFleets(app, { web: { blue: fleet, green: { ...fleet, instances }, baseline: { ...fleet, instances } } }, look);
    expect(fleets.map(({ slot, count }) => `${slot} ${count}`)).toEqual(["blue 4", "green 1", "baseline 1"]);
    const [, canary] = fleets;
    expect(canary).toMatchObject({ release: "4be019", image: "3f463f-arm64", stack: "hello-production-service-web" });
    expect(canary?.tags).toMatchObject({ "landfall:fleet": "green", "aws:autoscaling:groupName": "hello-production-service-web-GreenGroup" });
    expect(canary?.userData).toContain("LANDFALL_GROUP='GreenGroup'\n");
    expect(canary?.userData).toContain("LANDFALL_ARTIFACTS='the ArtifactsBucket'\n");
    expect(canary?.userData).toContain(fleet.script);
  });
});
