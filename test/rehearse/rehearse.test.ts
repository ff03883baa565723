import { describe, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { asRehearsed, rehearse } from "../../src/rehearse/rehearse.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { production, SMALL } from "../targets/aws/templates/apps.ts";

const inputOf = (app: Partial<AppInput>) => {
  const notes: string[] = [];
  const emit = (event: object) => void notes.push("text" in event ? String(event.text) : "");
  return { deployment: production({ ...SMALL, ...app }), folder: "/nowhere", max: 2, rate: 1, strategies: [], dirty: true, emit, notes };
};
const web = { command: "exec node server.js", port: 3000 };

it("refuses to rehearse on machines what runs as containers", async () => {
  const input = inputOf({ services: { web: { ...web, container: {} } } });
  await expect(rehearse(input)).rejects.toMatchObject({ code: "REHEARSAL_IMPOSSIBLE", parts: { what: expect.stringContaining('"web"') } });
});

it("refuses an app whose resources it cannot start here, before anything is made", async () => {
  const input = inputOf({ services: { web }, resources: { books: { type: "mysql" } } });
  await expect(rehearse(input)).rejects.toMatchObject({ code: "REHEARSAL_IMPOSSIBLE", parts: { what: expect.stringContaining('"books"') } });
});

describe("what is rehearsed", () => {
  it("of one service leaves out the routes to others", () => {
    const services = { web, api: { ...web, port: 3001 } };
    const deployment = asRehearsed({
      ...inputOf({
        services,
        routes: [
          { path: "/api/*", service: "api" },
          { deny: true, path: "/x" },
        ],
      }),
      services: ["web"],
    });
    expect(deployment.routes.map(({ path }) => path)).toEqual(["/x"]);
    expect(
      makeStacks(deployment)
        .map(({ service }) => service)
        .filter(Boolean),
    ).toEqual(["web"]);
  });

  it("has fleets and steps of a canary that a rehearsal has time for, and says so", () => {
    const rollout: AppInput["rollout"] = { canary: { weights: ["10%"], instances: 5, step: "2m", minRequests: 500 } };
    const input = { ...inputOf({ services: { web: { ...web, instances: { min: 4, max: 6 } } }, rollout }), strategies: ["canary" as const] };
    const deployment = asRehearsed(input);
    expect(deployment.services.web?.instances).toEqual({ min: 2, max: 6 });
    expect(deployment.rollout.canary).toMatchObject({ weights: [0.1], instances: 2, step: 20_000, minRequests: 20, timeout: 120_000 });
    expect(input.notes).toEqual(["a step of a canary takes 20s and 20 requests here, and 2m and 500 requests on AWS"]);
  });
});
