import { describe, expect, it } from "vitest";
import { describeStatus } from "../../../src/cli/print/status.ts";
import type { Status } from "../../../src/reports.ts";

const NOW = Date.UTC(2026, 2, 1, 12, 0, 0);
const plain = { paint: (_: unknown, text: string) => text, now: NOW };
const since = NOW - 125_000;

const standing: Status = {
  app: "shop",
  environment: "local",
  target: "local",
  commissioned: true,
  address: "http://127.0.0.1:20080",
  release: "7f3c2a1b",
  previous: "4be01977",
  description: "Sell apples",
  supervisor: "running",
  services: [
    {
      name: "web",
      kind: "web",
      wanted: 2,
      healthy: 1,
      instances: [
        {
          id: "web.1.7f3c2a1b",
          service: "web",
          release: "7f3c2a1b",
          slot: 1,
          state: "healthy",
          pid: 4711,
          port: 20101,
          since,
          restarts: 0,
          inHand: 3,
        },
        {
          id: "web.2.7f3c2a1b",
          service: "web",
          release: "7f3c2a1b",
          slot: 2,
          state: "restarting",
          since: NOW - 400,
          restarts: 1,
          lastExit: { at: NOW - 2000, code: 1, lastLines: ["a", "b", "c", "Error: no such table"] },
        },
      ],
    },
    { name: "tidy", kind: "job", wanted: 0, healthy: 0, schedule: "*/5 * * * *", instances: [] },
  ],
  resources: [{ name: "database", type: "postgres", state: "running", address: "127.0.0.1:20200" }],
};

describe("status", () => {
  it("shows the address first, then the release, the instances and the resources", () => {
    expect(describeStatus(standing, plain)).toBe(`shop local  http://127.0.0.1:20080
  release  7f3c2a1b  Sell apples
  before   4be01977

web (web)  1 of 2 healthy
  web.1.7f3c2a1b  healthy     for 2m5s   pid 4711  port 20101  3 in hand
  web.2.7f3c2a1b  restarting  for 400ms                                   1 restart
    ended with status 1 2s ago
    | b
    | c
    | Error: no such table

tidy (job)  at */5 * * * * (UTC)

resources
  database  postgres  running  127.0.0.1:20200`);
  });

  it("shows what scaling goes by", () => {
    const [web] = standing.services.slice(0, 1).map((service) => ({ ...service, instances: [] }));
    const linesFor = (scaling: Status["services"][number]["scaling"]) =>
      describeStatus({ ...standing, services: [{ ...web, scaling } as Status["services"][number]] }, plain);
    expect(linesFor([{ measure: "cpu", value: 43, target: 60, text: "CPU 43 % of 60 %" }])).toContain("healthy\n  scaling: CPU 43 % of 60 %\n");
    expect(linesFor([])).toContain("healthy\n  scaling: not measured yet\n");
  });

  it("says what to do where nothing stands", () => {
    expect(describeStatus({ ...standing, commissioned: false }, plain)).toBe("shop local  not commissioned\n\n  Next: landfall commission local");
  });

  it("names what crashed too often, and how it is started again", () => {
    const [web] = standing.services;
    const instances = (web?.instances ?? []).map((instance) => ({ ...instance, state: "failed" as const }));
    const services = [{ name: "web", kind: "web" as const, wanted: 2, healthy: 0, instances }];
    expect(
      describeStatus({ ...standing, services, resources: [] }, plain)
        .split("\n\n")
        .at(-1),
    ).toBe("web.1.7f3c2a1b, web.2.7f3c2a1b crashed too often in a row and are not started any more.\n  Next: landfall resume local");
  });

  it("names jobs that are not run at their times, unless somebody is at work on it", () => {
    const job = { name: "tidy", kind: "job" as const, wanted: 0, healthy: 0, instances: [] };
    const parts = (more: Partial<Status>) => describeStatus({ ...standing, services: [job], resources: [], ...more }, plain).split("\n\n");
    expect(parts({}).slice(1)).toEqual([
      "tidy (job)  not scheduled",
      "tidy is not run at the times of the release that serves.\n  Next: landfall resume local",
    ]);
    expect(parts({ underWay: { operation: "deploy", since, pid: 1, user: "ada" } }).at(-1)).toMatch(/^deploy is under way/);
  });

  it("names what was interrupted and the two ways on", () => {
    const text = describeStatus({ ...standing, services: [], resources: [], unfinished: { operation: "deploy", since } }, plain);
    expect(text.split("\n\n").at(-1)).toMatch(
      /^deploy was interrupted \(begun 2026-\d\d-\d\d \d\d:\d\d:\d\d, 2m5s ago\)\.\n {2}Next: landfall resume local {3}or {3}landfall abort local$/,
    );
  });
});

describe("changes by hand on AWS", () => {
  const onAws: Status = { ...standing, target: "aws", environment: "production" };
  const drift = [
    { of: "resource jobs", kind: "queue", name: "JobsQueue", differences: [{ property: "VisibilityTimeout", before: "30", after: "77" }] },
  ];
  const rowOf = (status: Status) =>
    describeStatus(status, plain)
      .split("\n")
      .find((line) => line.includes("by hand"))
      ?.trim();

  it.each<[string, Partial<Status>, string]>([
    ["nobody looked for", {}, "by hand  AWS has not looked for changes yet: landfall plan production --drift"],
    [
      "there were none of",
      { drift: [], driftLookedAt: NOW - 7_200_000 },
      "by hand  nothing changed when AWS last looked, 2h ago; to look again: landfall plan production --drift",
    ],
    [
      "were found",
      { drift, driftLookedAt: NOW - 7_200_000 },
      "by hand  1 changed when AWS last looked, 2h ago; to look again: landfall plan production --drift",
    ],
    ["were found where AWS looked", { drift }, "by hand  1 changed when AWS last looked; to look again: landfall plan production --drift"],
  ])("that %s", (_, more, row) => {
    expect(rowOf({ ...onAws, ...more })).toBe(row);
  });

  it("are no matter of this machine", () => {
    expect(rowOf(standing)).toBeUndefined();
  });
});
