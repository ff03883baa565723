import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AppInput } from "../../../../src/config/schema.ts";
import { compileBack, compileStages, type Desired, type Stage } from "../../../../src/targets/aws/releases/stages.ts";
import type { Fleet, Running } from "../../../../src/targets/aws/stacks/running.ts";
import { production, SMALL } from "../stacks/apps.ts";

const WITH_WORKER: AppInput = { ...SMALL, services: { ...SMALL.services, worker: { command: "node worker.js" } } };

const fleet = (release: string): Fleet => ({ release, image: "ami-1", script: `start ${release}` });
const services = (release: string) => ({ web: fleet(release), worker: fleet(release) });

function desired(release: string, rollout: AppInput["rollout"] = {}, isNew = true): Desired {
  const { app } = production({ ...WITH_WORKER, rollout });
  return { rollout: app.rollout, services: app.services, fleets: services(release), isNew };
}

/** The stages in words: what stands where with which share, and which wait. */
const tell = (stages: Stage[]): string[] =>
  stages.map((stage) => {
    if (stage.kind === "healthy") return `healthy ${stage.fleets.map(({ service, slot }) => `${service}.${slot}`).join(" ")}`;
    if (stage.kind === "judge") return `judge ${stage.trials.map(({ service, canary, baseline }) => `${service} ${canary}/${baseline}`).join(" ")}`;
    return `${stage.kind} ${describeRunning(stage.running)}`;
  });

const describeRunning = (running: Running): string =>
  Object.entries(running)
    .flatMap(([service, fleets]) =>
      Object.entries(fleets).map(
        ([slot, one]) =>
          `${service}.${slot}=${one.release}${one.instances ? `x${one.instances.min}` : ""}${one.weight === undefined ? "" : `@${one.weight}`}`,
      ),
    )
    .join(" ");

const RUNS: Running = { web: { blue: fleet("a") }, worker: { blue: fleet("a") } };

describe("the stages of a rollout on aws", () => {
  it("of a first release start its fleets", () => {
    expect(tell(compileStages({}, desired("a")))).toEqual(["fleets web.blue=a worker.blue=a", "routes web.blue=a worker.blue=a"]);
  });

  it("are none when the release serves", () => {
    for (const strategy of ["rolling", "blueGreen", "canary"] as const) expect(compileStages(RUNS, desired("a", { strategy }))).toEqual([]);
  });

  it("of a rolling release change fleets in their place, and keep the number that somebody has set", () => {
    const scaled: Running = { ...RUNS, web: { blue: { ...fleet("a"), instances: { min: 4, max: 9 } } } };
    expect(tell(compileStages(scaled, desired("b")))).toEqual(["fleets web.blue=bx4 worker.blue=b"]);
  });

  it("of blueGreen put a fleet beside, wait for it, switch, and end with it alone", () => {
    const stages = compileStages(RUNS, desired("b", { strategy: "blueGreen", soak: "3m" }));
    expect(tell(stages)).toEqual([
      "routes web.blue=a@999 worker.blue=a",
      "fleets web.blue=a@999 web.green=b@0 worker.blue=a",
      "healthy web.green",
      "routes web.blue=a@0 web.green=b@999 worker.blue=a",
      "routes web.green=b worker.blue=a",
      "fleets web.green=b worker.blue=b",
    ]);
    expect(stages[3]).toMatchObject({ watchMs: 180_000, slots: [{ service: "web", slot: "green" }] });
  });

  it("of a canary try it beside a fresh baseline before all goes to it", () => {
    expect(tell(compileStages(RUNS, desired("b", { strategy: "canary", canary: { weights: ["10%", "30%"], instances: 2 } })))).toEqual([
      "routes web.blue=a@999 worker.blue=a",
      "fleets web.blue=a@999 web.green=bx2@0 web.baseline=ax2@0 worker.blue=a",
      "healthy web.green web.baseline",
      "routes web.blue=a@799 web.green=bx2@100 web.baseline=ax2@100 worker.blue=a",
      "judge web green/baseline",
      "routes web.blue=a@399 web.green=bx2@300 web.baseline=ax2@300 worker.blue=a",
      "judge web green/baseline",
      "fleets web.blue=a@399 web.green=b@300 web.baseline=ax2@300 worker.blue=a",
      "healthy web.green",
      "routes web.blue=a@0 web.green=b@999 web.baseline=ax2@0 worker.blue=a",
      "routes web.green=b worker.blue=a",
      "fleets web.green=b worker.blue=b",
    ]);
  });

  it("of a release that has served before try it with no share of the requests", () => {
    expect(tell(compileStages(RUNS, desired("b", { strategy: "canary" }, false)))).not.toContainEqual(expect.stringContaining("judge"));
  });

  it("go on from wherever an earlier run was cut off, and end in the same state", () => {
    for (const strategy of ["rolling", "blueGreen", "canary"] as const) {
      const whole = compileStages(RUNS, desired("b", { strategy }));
      for (let cut = 0; cut <= whole.length; cut++) {
        const at = play(RUNS, whole.slice(0, cut));
        const rest = compileStages(at, desired("b", { strategy }));
        expect(describeRunning(play(at, rest)), `${strategy} cut off after ${cut} stages`).toMatch(/^web\.(blue|green)=b worker\.blue=b$/);
      }
    }
  });

  it("go back from wherever they were, to exactly what ran before", () => {
    for (const strategy of ["rolling", "blueGreen", "canary"] as const) {
      const whole = compileStages(RUNS, desired("b", { strategy }));
      for (let cut = 0; cut <= whole.length; cut++)
        expect(describeRunning(play(play(RUNS, whole.slice(0, cut)), compileBack(play(RUNS, whole.slice(0, cut)), RUNS)))).toBe(
          describeRunning(RUNS),
        );
    }
  });

  it("never lead a request to a fleet that does not stand, nor take one away that requests are led to", () => {
    const release = fc.constantFrom("a", "b", "c");
    const strategy = fc.constantFrom("rolling" as const, "blueGreen" as const, "canary" as const);
    const move = fc.record({ release, strategy, cut: fc.nat({ max: 14 }), back: fc.boolean() });
    fc.assert(
      fc.property(fc.array(move, { minLength: 1, maxLength: 6 }), (moves) => {
        let at: Running = {};
        let before: Running = {};
        for (const { release: id, strategy: how, cut, back } of moves) {
          const stages = back ? compileBack(at, before) : compileStages(at, desired(id, { strategy: how }));
          if (!back) before = at;
          at = play(at, stages.slice(0, cut), true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** Plays stages as CloudFormation would: fleets and rules are stacks of their own. */
function play(running: Running, stages: Stage[], checks = false): Running {
  let fleets = running;
  let routes = running;
  for (const stage of stages) {
    if (stage.kind === "fleets") fleets = stage.running;
    if (stage.kind === "routes") routes = stage.running;
    if (checks && "running" in stage) expectServed(fleets, routes);
  }
  return Object.fromEntries(
    Object.entries(fleets).map(([service, slots]) => [
      service,
      Object.fromEntries(
        Object.entries(slots).map(([slot, { weight: _, ...one }]) => {
          const weight = routes[service]?.[slot as "blue"]?.weight;
          return [slot, { ...one, ...(weight === undefined ? {} : { weight }) }];
        }),
      ),
    ]),
  );
}

/** A service that has fleets has one that gets requests, and each that gets some stands. */
function expectServed(fleets: Running, routes: Running): void {
  const standing = Object.keys(fleets.web ?? {});
  const served = Object.entries(routes.web ?? {});
  if (standing.length === 0 || served.length === 0) return;
  const silent = served.every(([, { weight }]) => weight === undefined);
  const wanted = served.filter(([, { weight }], index) => (silent ? index === 0 : (weight ?? 0) > 0)).map(([slot]) => slot);
  expect(wanted.length).toBeGreaterThan(0);
  expect(standing).toEqual(expect.arrayContaining(wanted));
}
