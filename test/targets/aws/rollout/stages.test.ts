import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AppInput } from "../../../../src/config/schema.ts";
import { compileBack, compileStages, type Desired, type Stage, untriedServices } from "../../../../src/targets/aws/rollout/stages.ts";
import {
  type Fleet,
  type Rules,
  type Running,
  type Slot,
  type Standing,
  servingFleet,
} from "../../../../src/targets/aws/templates/shared/running.ts";
import { production, SMALL } from "../templates/apps.ts";

const WITH_WORKER: AppInput = { ...SMALL, services: { ...SMALL.services, worker: { command: "node worker.js" } } };

const APP = production(WITH_WORKER);
type Service = (typeof APP.services)[string];
const [WEB, WORKER] = [APP.services.web as Service, APP.services.worker as Service];

const fleet = (release: string, settings: Service): Fleet => ({ release, image: "ami-1", script: `start ${release}`, settings });
const services = (release: string) => ({ web: fleet(release, WEB), worker: fleet(release, WORKER) });
const rules = (release: string, first = "web"): Rules => ({ release, routes: [], defaultService: first });

function desired(release: string, rollout: AppInput["rollout"] = {}, isNew = true): Desired {
  const { rollout: wanted } = production({ ...WITH_WORKER, rollout });
  return { rollout: wanted, fleets: services(release), isNew, rules: rules(release) };
}

/** The stages in words: what stands where with which share, and which wait. */
const tell = (stages: Stage[]): string[] =>
  stages.map((stage) => {
    if (stage.kind === "healthy") return `healthy ${stage.fleets.map(({ service, slot }) => `${service}.${slot}`).join(" ")}`;
    if (stage.kind === "judge") return `judge ${stage.trials.map(({ service, canary, baseline }) => `${service} ${canary}/${baseline}`).join(" ")}`;
    const of = stage.kind === "routes" ? ` of ${stage.rules?.release ?? "nothing"}` : "";
    return `${stage.kind}${of} ${describeRunning(stage.running)}`;
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

const RUNS: Standing = { running: { web: { blue: fleet("a", WEB) }, worker: { blue: fleet("a", WORKER) } }, rules: rules("a") };
const NOTHING: Standing = { running: {} };

describe("the stages of a rollout on aws", () => {
  it("of a first release start its fleets, and lead requests to them once they are healthy", () => {
    expect(tell(compileStages(NOTHING, desired("a")))).toEqual([
      "fleets web.blue=a worker.blue=a",
      "healthy web.blue",
      "routes of a web.blue=a worker.blue=a",
    ]);
  });

  it("are none when the release serves", () => {
    for (const strategy of ["rolling", "blueGreen", "canary"] as const) expect(compileStages(RUNS, desired("a", { strategy }))).toEqual([]);
  });

  const withWeb = (web: Fleet): Desired => ({ ...desired("b"), fleets: { ...services("b"), web } });
  const scaled: Standing = { ...RUNS, running: { ...RUNS.running, web: { blue: { ...fleet("a", WEB), instances: { min: 4, max: 4 } } } } };

  it("of a rolling release change fleets in their place, and keep the number that somebody has set within a range", () => {
    const ranged = { ...WEB, instances: { min: 1, max: 9 } };
    const stages = compileStages(scaled, withWeb(fleet("b", ranged)));
    expect(tell(stages)).toEqual([
      "fleets web.blue=ax4 worker.blue=a worker.pilot=bx1",
      "fleets web.blue=bx4 worker.blue=b worker.pilot=bx1",
      "routes of b web.blue=bx4 worker.blue=b",
      "fleets web.blue=bx4 worker.blue=b",
    ]);
    expect(stages[1]).toMatchObject({ running: { web: { blue: { instances: { min: 4, max: 9 } } } } });
    expect(tell(compileStages(scaled, withWeb(fleet("b", { ...WEB, instances: { min: 1, max: 2 } })))).at(1)).toContain("web.blue=bx2");
  });

  it("of a service with a plain number go back to it, unless another one is asked for", () => {
    expect(tell(compileStages(scaled, desired("b"))).at(-1)).toBe("fleets web.blue=b worker.blue=b");
    expect(tell(compileStages(scaled, withWeb({ ...fleet("b", WEB), instances: { min: 3, max: 3 } }))).at(-1)).toBe(
      "fleets web.blue=bx3 worker.blue=b",
    );
    expect(tell(compileStages(scaled, desired("a")))).toEqual(["fleets web.blue=a worker.blue=a"]);
  });

  it("of other rules alone switch these, and replace nothing", () => {
    const other = { ...desired("a", {}, false), rules: rules("c") };
    for (const strategy of ["rolling", "blueGreen", "canary"] as const)
      expect(tell(compileStages(RUNS, { ...other, rollout: { ...other.rollout, strategy } }))).toEqual(["routes of c web.blue=a worker.blue=a"]);
  });

  it("of a service with another name start it, switch, and then let the old one go", () => {
    const { web, worker } = services("b");
    const renamed: Desired = { ...desired("b"), fleets: { site: web, worker }, rules: rules("b", "site") };
    const stages = compileStages(RUNS, renamed);
    expect(tell(stages)).toEqual([
      "fleets web.blue=a worker.blue=b site.blue=b",
      "healthy site.blue",
      "routes of b site.blue=b worker.blue=b",
      "fleets site.blue=b worker.blue=b",
    ]);
    expect(tell(compileBack(play(RUNS, stages), RUNS))).toEqual([
      "fleets site.blue=b worker.blue=a web.blue=a",
      "healthy web.blue",
      "routes of a web.blue=a worker.blue=a",
      "fleets web.blue=a worker.blue=a",
    ]);
  });

  it.each([
    ["at another port", { settings: { ...WEB, port: 4000 } }],
    ["through a proxy", { settings: WEB, proxy: { port: 8080, passwords: [] } }],
    ["by another path", { settings: { ...WEB, health: { ...WEB.health, path: "/ready" } } }],
  ])("of a rolling release that is asked %s put it beside the old one, which is checked as before", (_, how) => {
    const { web, worker } = services("b");
    expect(tell(compileStages(RUNS, { ...desired("b"), fleets: { web: { ...web, ...how }, worker } }))).toEqual([
      "routes of a web.blue=a@999 worker.blue=a",
      "fleets web.blue=a@999 web.green=b@0 worker.blue=a worker.pilot=bx1",
      "healthy web.green",
      "routes of a web.blue=a@0 web.green=b@999 worker.blue=a worker.pilot=bx1",
      "fleets web.blue=a@0 web.green=b@999 worker.blue=b worker.pilot=bx1",
      "routes of b web.green=b worker.blue=b",
      "fleets web.green=b worker.blue=b",
    ]);
    const alone = { ...how, settings: { ...how.settings, singleton: true } };
    const inPlace = tell(compileStages(RUNS, { ...desired("b"), fleets: { web: { ...web, ...alone }, worker } }));
    expect(inPlace.slice(0, 2)).toEqual(["fleets web.blue=a worker.blue=a worker.pilot=bx1", "fleets web.blue=b worker.blue=b worker.pilot=bx1"]);
  });

  it.each(["rolling", "blueGreen", "canary"] as const)("of a singleton change it in its place: there are never two of it (%s)", (strategy) => {
    const alone = (release: string) => ({ web: fleet(release, { ...WEB, singleton: true }) });
    for (const isNew of [true, false]) {
      const standing: Standing = { running: { web: { blue: alone("a").web } }, rules: rules("a") };
      const stages = compileStages(standing, { ...desired("b", { strategy }, isNew), fleets: alone("b") });
      const fleets = stages.flatMap((stage) => (stage.kind === "fleets" ? [describeRunning(stage.running)] : []));
      expect(fleets).toEqual(["web.blue=b"]);
    }
  });

  it.each(["rolling", "blueGreen", "canary"] as const)(
    "of a web service that is to take no requests keep what serves until nobody is led to it (%s)",
    (strategy) => {
      const site = { site: fleet("a", WEB) };
      const standing: Standing = { running: { web: { blue: fleet("a", WEB) }, site: { blue: site.site } }, rules: rules("a") };
      const wanted = { ...desired("b", { strategy }, false), fleets: { web: fleet("b", WORKER), ...site }, rules: rules("b", "site") };
      const stages = compileStages(standing, wanted);
      expect(tell(stages)).toEqual([
        "fleets web.blue=a web.green=b site.blue=a",
        "routes of b web.green=b site.blue=a",
        "fleets web.green=b site.blue=a",
      ]);
      expect(tell(compileBack(play(standing, stages), standing))).toEqual([
        "fleets web.green=b web.blue=a site.blue=a",
        "healthy web.blue",
        "routes of a web.blue=a site.blue=a",
        "fleets web.blue=a site.blue=a",
      ]);
    },
  );

  it.each(["rolling", "blueGreen", "canary"] as const)(
    "of a worker that is to take requests wait for it, and compare it with nobody (%s)",
    (strategy) => {
      const wanted = { ...desired("b", { strategy }), fleets: { web: fleet("a", WEB), worker: fleet("b", WEB) }, rules: rules("b", "worker") };
      expect(tell(compileStages(RUNS, wanted))).toEqual([
        "fleets web.blue=a worker.blue=a worker.green=b",
        "healthy worker.green",
        "routes of b web.blue=a worker.green=b",
        "fleets web.blue=a worker.green=b",
      ]);
      expect(untriedServices(RUNS, wanted)).toEqual(strategy === "canary" ? ["worker"] : []);
    },
  );

  it("of blueGreen put a fleet beside, wait for it, switch, and end with it alone", () => {
    const stages = compileStages(RUNS, desired("b", { strategy: "blueGreen", soak: "3m" }));
    expect(tell(stages)).toEqual([
      "routes of a web.blue=a@999 worker.blue=a",
      "fleets web.blue=a@999 web.green=b@0 worker.blue=a worker.pilot=bx1",
      "healthy web.green",
      "routes of a web.blue=a@0 web.green=b@999 worker.blue=a worker.pilot=bx1",
      "fleets web.blue=a@0 web.green=b@999 worker.blue=b worker.pilot=bx1",
      "routes of b web.green=b worker.blue=b",
      "fleets web.green=b worker.blue=b",
    ]);
    expect(stages[3]).toMatchObject({ watchMs: 180_000, slots: [{ service: "web", slot: "green" }] });
  });

  it("of a canary try it beside a fresh baseline before all goes to it", () => {
    expect(tell(compileStages(RUNS, desired("b", { strategy: "canary", canary: { weights: ["10%", "30%"], instances: 2 } })))).toEqual([
      "routes of a web.blue=a@999 worker.blue=a",
      "fleets web.blue=a@999 web.green=bx2@0 web.baseline=ax2@0 worker.blue=a worker.pilot=bx1",
      "healthy web.green web.baseline",
      "routes of a web.blue=a@799 web.green=bx2@100 web.baseline=ax2@100 worker.blue=a worker.pilot=bx1",
      "judge web green/baseline",
      "routes of a web.blue=a@399 web.green=bx2@300 web.baseline=ax2@300 worker.blue=a worker.pilot=bx1",
      "judge web green/baseline",
      "fleets web.blue=a@399 web.green=b@300 web.baseline=ax2@300 worker.blue=a worker.pilot=bx1",
      "healthy web.green",
      "routes of a web.blue=a@0 web.green=b@999 web.baseline=ax2@0 worker.blue=a worker.pilot=bx1",
      "fleets web.blue=a@0 web.green=b@999 web.baseline=ax2@0 worker.blue=b worker.pilot=bx1",
      "routes of b web.green=b worker.blue=b",
      "fleets web.green=b worker.blue=b",
    ]);
  });

  it.each(["rolling", "blueGreen", "canary"] as const)(
    "show that one of each worker comes up before a request reaches anything new (%s)",
    (strategy) => {
      const batch = production({ ...WITH_WORKER, services: { ...WITH_WORKER.services, batch: { command: "node batch.js", singleton: true } } })
        .services.batch;
      const run = (release: string) => ({ ...services(release), batch: fleet(release, batch as Service) });
      const standing: Standing = { ...RUNS, running: mapFleets(run("a")) };
      for (const isNew of [true, false]) {
        const wanted = { ...desired("b", { strategy }, isNew), fleets: { ...run("b"), mailer: fleet("b", WORKER), api: fleet("b", WEB) } };
        const stages = compileStages(standing, wanted);
        expect(untriedBefore(standing, stages), tell(stages).join("\n")).toEqual([]);
        const first = stages.findIndex((stage) => stage.kind === "fleets");
        expect(tell(stages)[first]).toMatch(/worker\.blue=a worker\.pilot=bx1 .*mailer\.blue=b/);
        // There are never two of a singleton.
        expect(tell(stages)[first]).toContain("batch.blue=a mailer");
        expect(tell(stages)[first + 1]).toMatch(/^healthy .*api\.blue$/);
        expect(describeRunning(play(standing, stages).running)).toMatch(
          /^web\.(blue|green)=b worker\.blue=b batch\.blue=b mailer\.blue=b api\.blue=b$/,
        );
        // What failed then has not touched the workers that serve, so nothing is waited for on the way back.
        const back = compileBack(play(standing, stages.slice(0, first + 1)), standing);
        expect(tell(back).filter((stage) => stage.startsWith("fleets"))).toHaveLength(1);
      }
    },
  );

  it("watch a web service that is new beside one that moves, when the rules lead to it", () => {
    const wanted = { ...desired("b", { strategy: "blueGreen", soak: "3m" }), fleets: { ...services("b"), api: fleet("b", WEB) } };
    expect(
      compileStages(RUNS, wanted)
        .filter(({ kind }) => kind === "routes")
        .at(-1),
    ).toMatchObject({
      watchMs: 180_000,
      slots: [{ service: "api", slot: "blue" }],
    });
  });

  it("try no worker that is to have no instance, is the same, or only gets another number", () => {
    const scaledTo = (count: number) => ({ ...fleet("b", WORKER), instances: { min: count, max: count } });
    const wanted = (worker: Omit<Fleet, "weight">): Desired => ({ ...desired("b"), fleets: { web: fleet("b", WEB), worker } });
    const piloted = (standing: Standing, to: Desired) => tell(compileStages(standing, to)).some((stage) => stage.includes("pilot"));
    expect(piloted(RUNS, wanted(scaledTo(0)))).toBe(false);
    expect(piloted(RUNS, wanted(fleet("a", WORKER)))).toBe(false);
    expect(piloted({ ...RUNS, running: { ...RUNS.running, worker: { blue: fleet("b", WORKER) } } }, wanted(scaledTo(3)))).toBe(false);
    expect(piloted(RUNS, wanted(scaledTo(3)))).toBe(true);
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
        expect(describeRunning(play(at, rest).running), `${strategy} cut off after ${cut} stages`).toMatch(/^web\.(blue|green)=b worker\.blue=b$/);
      }
    }
  });

  it("of a canary that was cut off try it again, also when it is as large as the whole fleet", () => {
    for (const instances of [1, 2]) {
      // A number that somebody has set is in the fleet, as the canary's is.
      const set = { ...fleet("a", { ...WEB, instances: { min: 1, max: instances } }), instances: { min: instances, max: instances } };
      const scaled: Standing = { ...RUNS, running: { ...RUNS.running, web: { blue: set } } };
      const wanted = desired("b", { strategy: "canary", canary: { weights: ["10%", "30%"], instances } });
      wanted.fleets = { ...wanted.fleets, web: fleet("b", { ...WEB, instances: { min: 1, max: instances } }) };
      const whole = compileStages(scaled, wanted);
      const lastJudging = whole.findLastIndex(({ kind }) => kind === "judge");
      for (let cut = 0; cut <= lastJudging; cut++) {
        const rest = tell(compileStages(play(scaled, whole.slice(0, cut)), wanted));
        expect(
          rest.filter((stage) => stage.startsWith("judge")),
          `${instances} cut off after ${cut} stages:\n${rest.join("\n")}`,
        ).toHaveLength(2);
      }
    }
  });

  it("of a canary that was found as good do not try it again", () => {
    const wanted = desired("b", { strategy: "canary" });
    const whole = compileStages(RUNS, wanted);
    const rest = whole.findLastIndex(({ kind }) => kind === "judge") + 2;
    for (let cut = rest; cut <= whole.length; cut++)
      expect(tell(compileStages(play(RUNS, whole.slice(0, cut)), wanted)).filter((stage) => stage.startsWith("judge"))).toEqual([]);
  });

  it("go back from wherever they were, to exactly what ran before", () => {
    for (const strategy of ["rolling", "blueGreen", "canary"] as const) {
      const whole = compileStages(RUNS, desired("b", { strategy }));
      for (let cut = 0; cut <= whole.length; cut++)
        expect(play(play(RUNS, whole.slice(0, cut)), compileBack(play(RUNS, whole.slice(0, cut)), RUNS))).toEqual(RUNS);
    }
  });

  it("never lead a request to a fleet that does not stand, nor take one away or ask it at another port that requests are led to, and switch rules when all stands", () => {
    const release = fc.constantFrom("a", "b", "c");
    const strategy = fc.constantFrom("rolling" as const, "blueGreen" as const, "canary" as const);
    const name = fc.constantFrom("web", "site");
    const move = fc.record({ release, strategy, name, cut: fc.nat({ max: 16 }), back: fc.boolean() });
    fc.assert(
      fc.property(fc.array(move, { minLength: 1, maxLength: 6 }), (moves) => {
        let at = NOTHING;
        let before = NOTHING;
        for (const { release: id, strategy: how, name: first, cut, back } of moves) {
          const worker = fleet(id, WORKER);
          // Without a proxy before it, as in containers: the balancer asks at the app's own port.
          const web = fleet(id, { ...WEB, port: id === "b" ? 4000 : 3000 });
          const wanted = { ...desired(id, { strategy: how }), fleets: { [first]: web, worker }, rules: rules(`${id} ${first}`, first) };
          const stages = back ? compileBack(at, before) : compileStages(at, wanted);
          if (!back) before = at;
          at = play(at, stages.slice(0, cut), true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

const mapFleets = (fleets: Record<string, Fleet>): Running =>
  Object.fromEntries(Object.entries(fleets).map(([service, blue]) => [service, { blue }]));

/** Services that take no requests, and of which several may stand, that have no instance of the release when it first takes a request. */
function untriedBefore({ running }: Standing, stages: Stage[]): string[] {
  const end = stages.findLast((stage) => "running" in stage);
  const wanted = end && "running" in end ? end.running : running;
  let fleets = running;
  for (const stage of stages) {
    if (!("running" in stage)) continue;
    const reached = Object.entries(stage.running).some(([service, slots]) =>
      Object.entries(slots).some(
        ([slot, one]) =>
          one.settings?.kind === "web" &&
          one.release === "b" &&
          (stage.kind === "routes" ? (one.weight ?? 1) > 0 : (fleets[service]?.[slot as "blue"]?.release ?? "b") !== "b"),
      ),
    );
    if (reached)
      return Object.entries(wanted).flatMap(([service, slots]) => {
        const [one] = Object.values(slots);
        const alone = one?.settings?.kind === "web" || one?.settings?.singleton;
        return alone || Object.values(fleets[service] ?? {}).some(({ release }) => release === "b") ? [] : [service];
      });
    if (stage.kind === "fleets") fleets = stage.running;
  }
  throw new TypeError("no request ever reaches the release");
}

/** Plays stages as CloudFormation would: fleets and rules are stacks of their own. */
function play({ running, rules: first }: Standing, stages: Stage[], checks = false): Standing {
  let fleets = running;
  let routes = { running, rules: first };
  for (const stage of stages) {
    if (stage.kind === "fleets") fleets = stage.running;
    if (stage.kind === "routes") routes = { running: stage.running, rules: stage.rules };
    if (checks && "running" in stage) expectServed(fleets, routes);
  }
  const left = Object.entries(fleets).map(([service, slots]) => [
    service,
    Object.fromEntries(
      Object.entries(slots).map(([slot, { weight: _, ...one }]) => {
        const weight = routes.running[service]?.[slot as "blue"]?.weight;
        return [slot, { ...one, ...(weight === undefined ? {} : { weight }) }];
      }),
    ),
  ]);
  return { running: Object.fromEntries(left), ...(routes.rules ? { rules: routes.rules } : {}) };
}

/** Once something has served, what the rules lead to has a fleet that gets requests, and each that gets some stands. */
function expectServed(fleets: Running, { running, rules: inForce }: Standing): void {
  if (!inForce) return;
  const standing = Object.keys(fleets[inForce.defaultService] ?? {});
  const served = Object.entries(running[inForce.defaultService] ?? {});
  const silent = served.every(([, { weight }]) => weight === undefined);
  const wanted = served.filter(([, { weight }], index) => (silent ? index === 0 : (weight ?? 0) > 0)).map(([slot]) => slot);
  expect(wanted.length).toBeGreaterThan(0);
  expect(standing).toEqual(expect.arrayContaining(wanted));
  // A target group has one port for good: one that a rule leads to, with whatever share, cannot be replaced.
  const replaced = Object.entries(running).flatMap(([service, slots]) =>
    (Object.keys(slots) as Slot[])
      .filter((slot) => portIn(fleets[service] ?? {}, slot) !== slots[slot]?.settings?.port)
      .map((slot) => `${service}.${slot}`),
  );
  expect(replaced).toEqual([]);
}

/** A slot without a fleet is drawn as what serves. */
const portIn = (fleets: Running[string], slot: Slot) => (fleets[slot] ?? servingFleet(fleets))?.settings?.port;
