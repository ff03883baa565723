import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compileRollout,
  type Desired,
  describeBriefly,
  describeStep,
  instanceId,
  type ScheduledJob,
  type Standing,
  type Step,
  untriedServices,
} from "../../src/rollout/steps.ts";

const fleet = (release: string, count: number, attached = true, service = "web"): Standing[] =>
  Array.from({ length: count }, (_, index) => ({
    id: instanceId({ service, release, slot: index + 1 }),
    service,
    release,
    slot: index + 1,
    attached,
  }));

const desired = (over: Partial<Desired> = {}): Desired => ({
  release: "new",
  strategy: "rolling",
  batch: 1,
  services: [{ service: "web", count: 2, singleton: false, web: true }],
  jobs: [],
  ...over,
});

const canary = { strategy: "canary", canary: { weights: [0.05, 0.25], instances: 1 } } as const;

/** What stands after the steps, and a check after each of them. */
function perform(standing: Standing[], steps: Step[], check: (now: Standing[], step: Step) => void): Standing[] {
  let now = standing.map((one) => ({ ...one }));
  for (const step of steps) {
    if (step.do === "start")
      for (const place of step.places)
        if (!now.some((one) => one.id === instanceId(place))) now.push({ ...place, id: instanceId(place), attached: false });
    const mine = "ids" in step ? now.filter((one) => step.ids.includes(one.id)) : [];
    if (step.do === "attach") for (const one of mine) one.attached = true;
    if (step.do === "drain" || step.do === "keepWarm") for (const one of mine) Object.assign(one, { attached: false, warm: step.do === "keepWarm" });
    if (step.do === "stop") now = now.filter((one) => !step.ids.includes(one.id));
    check(now, step);
  }
  return now;
}

describe("compileRollout", () => {
  it("replaces one at a time, the old one asked first", () => {
    expect(compileRollout(fleet("old", 2), desired()).map(describeStep)).toEqual([
      "ask web.1.old",
      "start web.1.new",
      "put in service web.1.new",
      "drain web.1.old",
      "stop web.1.old",
      "ask web.2.old",
      "start web.2.new",
      "put in service web.2.new",
      "drain web.2.old",
      "stop web.2.old",
    ]);
  });

  it("starts a first release all at once", () => {
    expect(compileRollout([], desired()).map(describeStep)).toEqual(["start web.1.new, web.2.new", "put in service web.1.new, web.2.new"]);
  });

  it("says of a large fleet how many more there are, on a line that can be read", () => {
    const large = desired({ services: [{ service: "web", count: 99, singleton: false, web: true }] });
    const names = "web.1.new, web.2.new, web.3.new and 96 more";
    expect(compileRollout([], large).map(describeBriefly)).toEqual([`start ${names}`, `put in service ${names}`]);
  });

  it("starts the whole new fleet before it switches, and keeps the old one warm", () => {
    expect(compileRollout(fleet("old", 2), desired({ strategy: "blueGreen" })).map(describeStep)).toEqual([
      "ask web.1.old, web.2.old",
      "start web.1.new, web.2.new",
      "put in service web.1.new, web.2.new",
      "keep warm web.1.old, web.2.old",
    ]);
  });

  it("stops a singleton before it starts the next", () => {
    const clock = fleet("old", 1, true, "clock");
    const steps = compileRollout(clock, desired({ services: [{ service: "clock", count: 1, singleton: true, web: false }] }));
    expect(steps.map(describeStep)).toEqual([
      "ask clock.1.old",
      "drain clock.1.old",
      "stop clock.1.old",
      "start clock.1.new",
      "put in service clock.1.new",
    ]);
  });

  it("does nothing when what stands is what is wanted", () => {
    expect(compileRollout(fleet("new", 2), desired())).toEqual([]);
  });

  it("keeps a warm older fleet when nothing else is to be done", () => {
    const warm = fleet("old", 2, false).map((one) => ({ ...one, warm: true }));
    expect(compileRollout([...fleet("new", 2), ...warm], desired({ strategy: "blueGreen" }))).toEqual([]);
  });

  describe("within the soak", () => {
    const warm = (release: string, count: number, service = "web") =>
      fleet(release, count, false, service).map((one) => ({ ...one, warm: true, web: true }));
    const serving = fleet("old", 2).map((one) => ({ ...one, web: true }));
    const stepsFrom = (over: Partial<Desired>) => compileRollout([...serving, ...warm("older", 2)], desired(over)).map(describeStep);

    it("keeps the way back until the next release serves, whatever the strategy", () => {
      for (const strategy of ["rolling", "blueGreen", "canary"] as const) {
        const steps = stepsFrom({ strategy, isNew: true, ...(strategy === "canary" ? canary : {}) });
        expect(steps.slice(-2)).toEqual(["drain web.1.older, web.2.older", "stop web.1.older, web.2.older"]);
        expect(steps.filter((step) => step.includes("older"))).toHaveLength(2);
      }
    });

    it("keeps it when the number changes, and when a rollout goes back to what served", () => {
      const services = [{ service: "web", count: 3, singleton: false, web: true }];
      for (const strategy of ["rolling", "blueGreen"] as const)
        expect(stepsFrom({ release: "old", strategy, services, keepsWarm: true })).toEqual(["start web.3.old", "put in service web.3.old"]);
    });

    it("keeps a service warm that the release has no more, where it served requests and whole fleets stand side by side", () => {
      const shop = [...fleet("old", 1, true, "shop"), ...fleet("old", 1, true, "mail")].map((one) => ({ ...one, web: one.service === "shop" }));
      const site = [{ service: "site", count: 1, singleton: false, web: true }];
      const edge = { release: "new", isNew: true };
      const steps = compileRollout(shop, desired({ strategy: "blueGreen", services: site, edge }), [], "old").map(describeStep);
      expect(steps).toEqual([
        "start site.1.new",
        "put in service site.1.new",
        "switch the balancer to the rules of release new",
        "ask shop.1.old",
        "keep warm shop.1.old",
        "ask mail.1.old",
        "drain mail.1.old",
        "stop mail.1.old",
      ]);
      const after = [...fleet("new", 1, true, "site"), ...warm("old", 1, "shop")];
      expect(compileRollout(after, desired({ strategy: "blueGreen", services: site, edge }), [], "new")).toEqual([]);
      expect(untriedServices(shop, desired({ ...canary, services: site }))).toEqual(["site"]);
      expect(untriedServices(shop, desired({ strategy: "blueGreen", services: site }))).toEqual([]);
    });
  });

  it("removes what an interruption left started and never put in service", () => {
    const left = compileRollout([...fleet("old", 2), ...fleet("new", 2, false)], desired({ release: "old", strategy: "blueGreen" }));
    expect(left.map(describeStep)).toEqual(["drain web.1.new, web.2.new", "stop web.1.new, web.2.new"]);
  });

  it("does not keep a refused canary warm", () => {
    const canary = fleet("new", 1).map((one) => ({ ...one, share: 0.1 }));
    const steps = compileRollout([...fleet("old", 2), ...canary], desired({ release: "old", strategy: "blueGreen" }));
    expect(steps.map(describeStep)).toEqual(["drain web.1.new", "stop web.1.new"]);
  });

  it("removes a service that the new release no longer has", () => {
    const steps = compileRollout(fleet("old", 1, true, "mail"), desired({ services: [] }));
    expect(steps.map(describeStep)).toEqual(["ask mail.1.old", "drain mail.1.old", "stop mail.1.old"]);
  });

  it("replaces workers in a blue-green rollout without keeping the old ones at work", () => {
    const steps = compileRollout(
      fleet("old", 2, true, "worker"),
      desired({ strategy: "blueGreen", services: [{ service: "worker", count: 2, singleton: false, web: false }] }),
    );
    expect(steps.map(describeStep)).toEqual([
      "ask worker.1.old, worker.2.old",
      "start worker.1.new, worker.2.new",
      "put in service worker.1.new, worker.2.new",
      "drain worker.1.old, worker.2.old",
      "stop worker.1.old, worker.2.old",
    ]);
  });

  it("stops the old ones of a wave first where there is no room for both", () => {
    expect(compileRollout(fleet("old", 2), desired({ surge: false })).map(describeStep)).toEqual([
      "ask web.1.old",
      "drain web.1.old",
      "stop web.1.old",
      "start web.1.new",
      "put in service web.1.new",
      "ask web.2.old",
      "drain web.2.old",
      "stop web.2.old",
      "start web.2.new",
      "put in service web.2.new",
    ]);
  });

  it("brings what an interruption left short before it stops anything more", () => {
    const steps = compileRollout(fleet("old", 1), desired({ surge: false }));
    expect(steps.map(describeStep).slice(0, 3)).toEqual(["start web.1.new", "put in service web.1.new", "ask web.1.old"]);
  });

  it("tries a canary beside as many fresh instances of the old release, then goes on as blue-green", () => {
    expect(compileRollout(fleet("old", 2), desired(canary)).map(describeStep)).toEqual([
      "start web.1.new, web.3.old",
      "put in service web.1.new, web.3.old on trial",
      "compare web.1.new with web.3.old at 5 % each",
      "put in service web.1.new, web.3.old on trial",
      "compare web.1.new with web.3.old at 25 % each",
      "drain web.3.old",
      "stop web.3.old",
      "ask web.1.old, web.2.old",
      "start web.1.new, web.2.new",
      "put in service web.1.new, web.2.new",
      "keep warm web.1.old, web.2.old",
    ]);
  });

  it("takes an interrupted trial up with a fresh baseline, and goes back from it without one", () => {
    const onTrial = [fleet("new", 1), fleet("old", 3).slice(2)].flat().map((one) => ({ ...one, share: 0.05 }));
    const standing = [...fleet("old", 2), ...onTrial];
    expect(compileRollout(standing, desired(canary)).map(describeStep).slice(0, 4)).toEqual([
      "drain web.3.old",
      "stop web.3.old",
      "start web.1.new, web.4.old",
      "put in service web.1.new, web.4.old on trial",
    ]);
    expect(compileRollout(standing, desired({ release: "old" })).map(describeStep)).toEqual([
      "drain web.1.new",
      "stop web.1.new",
      "drain web.3.old",
      "stop web.3.old",
    ]);
  });

  it("tries all services side by side, and an instance of what takes no requests before any gets some", () => {
    const services = [
      { service: "web", count: 2, singleton: false, web: true },
      { service: "admin", count: 1, singleton: false, web: true },
      { service: "worker", count: 3, singleton: false, web: false },
    ];
    const standing = [...fleet("old", 2), ...fleet("old", 1, true, "admin"), ...fleet("old", 3, true, "worker")];
    const steps = compileRollout(standing, desired({ ...canary, services, isNew: true }));
    expect(steps.map(describeStep)).toEqual([
      "start web.1.new, web.3.old",
      "start admin.1.new, admin.2.old",
      "ask worker.1.old",
      "start worker.1.new",
      "put in service worker.1.new",
      "watch web.1.new, admin.1.new, worker.1.new",
      "put in service web.1.new, web.3.old on trial",
      "put in service admin.1.new, admin.2.old on trial",
      "compare web.1.new with web.3.old, admin.1.new with admin.2.old at 5 % each",
      "put in service web.1.new, web.3.old on trial",
      "put in service admin.1.new, admin.2.old on trial",
      "compare web.1.new with web.3.old, admin.1.new with admin.2.old at 25 % each",
      "drain web.3.old",
      "stop web.3.old",
      "drain admin.2.old",
      "stop admin.2.old",
      "ask web.1.old, web.2.old",
      "start web.1.new, web.2.new",
      "ask admin.1.old",
      "start admin.1.new",
      "watch web.1.new, web.2.new, admin.1.new",
      "put in service web.1.new, web.2.new",
      "keep warm web.1.old, web.2.old",
      "put in service admin.1.new",
      "keep warm admin.1.old",
      "drain worker.1.old",
      "stop worker.1.old",
      "ask worker.2.old, worker.3.old",
      "start worker.2.new, worker.3.new",
      "put in service worker.2.new, worker.3.new",
      "drain worker.2.old, worker.3.old",
      "stop worker.2.old, worker.3.old",
      "watch worker.2.new, worker.3.new",
    ]);
    expect(steps.flatMap((step) => (step.do === "judge" ? [step.isLast] : []))).toEqual([false, true]);
  });

  it("has nobody to compare a first release with", () => {
    expect(compileRollout([], desired(canary)).map(describeStep)).toEqual(["start web.1.new, web.2.new", "put in service web.1.new, web.2.new"]);
  });

  describe("of a new release", () => {
    const services = [
      { service: "web", count: 3, singleton: false, web: true },
      { service: "worker", count: 1, singleton: false, web: false },
      { service: "clock", count: 1, singleton: true, web: false },
    ];
    const old = [...fleet("old", 3), ...fleet("old", 1, true, "worker"), ...fleet("old", 1, true, "clock")];
    const stepsFrom = (standing: Standing[], over: Partial<Desired> = {}) =>
      compileRollout(standing, desired({ services, isNew: true, ...over })).map(describeStep);

    it("watches a first wave of every service before it replaces more, and the rest at the end", () => {
      expect(stepsFrom(old)).toEqual([
        "ask web.1.old",
        "start web.1.new",
        "ask worker.1.old",
        "start worker.1.new",
        "put in service web.1.new",
        "put in service worker.1.new",
        "watch web.1.new, worker.1.new",
        "drain web.1.old",
        "stop web.1.old",
        "ask web.2.old",
        "start web.2.new",
        "put in service web.2.new",
        "drain web.2.old",
        "stop web.2.old",
        "ask web.3.old",
        "start web.3.new",
        "put in service web.3.new",
        "drain web.3.old",
        "stop web.3.old",
        "drain worker.1.old",
        "stop worker.1.old",
        "ask clock.1.old",
        "drain clock.1.old",
        "stop clock.1.old",
        "start clock.1.new",
        "put in service clock.1.new",
        "watch web.2.new, web.3.new, clock.1.new",
      ]);
    });

    it("watches the whole new fleet before requests move, for blueGreen", () => {
      expect(stepsFrom(fleet("old", 2), { strategy: "blueGreen", services: [{ service: "web", count: 2, singleton: false, web: true }] })).toEqual([
        "ask web.1.old, web.2.old",
        "start web.1.new, web.2.new",
        "watch web.1.new, web.2.new",
        "put in service web.1.new, web.2.new",
        "keep warm web.1.old, web.2.old",
      ]);
    });

    it("watches a canary before it gets its share, and the whole fleet before it gets all", () => {
      const steps = stepsFrom(fleet("old", 2), { ...canary, services: [{ service: "web", count: 2, singleton: false, web: true }] });
      expect(steps.slice(0, 3)).toEqual(["start web.1.new, web.3.old", "watch web.1.new", "put in service web.1.new, web.3.old on trial"]);
      expect(steps.slice(-5)).toEqual([
        "ask web.1.old, web.2.old",
        "start web.1.new, web.2.new",
        "watch web.1.new, web.2.new",
        "put in service web.1.new, web.2.new",
        "keep warm web.1.old, web.2.old",
      ]);
    });

    it("stops one wave at most before it is watched where there is no room for both", () => {
      const steps = stepsFrom(fleet("old", 2), { surge: false, services: [{ service: "web", count: 2, singleton: false, web: true }] });
      expect(steps.slice(0, 6)).toEqual([
        "ask web.1.old",
        "drain web.1.old",
        "stop web.1.old",
        "start web.1.new",
        "put in service web.1.new",
        "watch web.1.new",
      ]);
    });

    it("watches what an interruption left in service before it stops anything more", () => {
      const standing = [...fleet("old", 2), ...fleet("new", 1)];
      const services = [{ service: "web", count: 2, singleton: false, web: true }];
      const steps = stepsFrom(standing, { services });
      expect(steps.slice(0, steps.indexOf("watch web.1.new, web.2.new")).filter((step) => step.startsWith("stop"))).toEqual([]);
      expect(stepsFrom(fleet("new", 2), { services })).toEqual(["watch web.1.new, web.2.new"]);
    });

    it("watches a first release at its end", () => {
      expect(stepsFrom([]).at(-1)).toBe("watch web.1.new, web.2.new, web.3.new, worker.1.new, clock.1.new");
    });
  });

  describe("of the balancer's rules", () => {
    const edge = { release: "new", isNew: true };
    const web = [{ service: "web", count: 1, singleton: false, web: true }];
    const stepsFrom = (standing: Standing[], over: Partial<Desired>, held = "old") =>
      compileRollout(standing, desired({ services: web, edge, ...over }), [], held).map(describeStep);
    const SWITCH = "switch the balancer to the rules of release new";

    it("switches when all is in service and watched, and takes away only then what the release has no more", () => {
      expect(stepsFrom(fleet("old", 1, true, "shop"), { isNew: true, jobs: ["report"] })).toEqual([
        "start web.1.new",
        "put in service web.1.new",
        "watch web.1.new",
        SWITCH,
        "ask shop.1.old",
        "drain shop.1.old",
        "stop shop.1.old",
        "schedule report",
      ]);
    });

    it("goes back in the same order", () => {
      const before = {
        release: "old",
        services: [{ service: "shop", count: 1, singleton: false, web: true }],
        edge: { release: "old", isNew: false },
      };
      expect(stepsFrom(fleet("new", 1), before, "new")).toEqual([
        "start shop.1.old",
        "put in service shop.1.old",
        "switch the balancer to the rules of release old",
        "ask web.1.new",
        "drain web.1.new",
        "stop web.1.new",
      ]);
    });

    it("asks what runs already by the new checks first, unless they held here before", () => {
      expect(stepsFrom(fleet("new", 1), {})).toEqual(["check web.1.new", SWITCH]);
      expect(stepsFrom(fleet("new", 1), { edge: { release: "new", isNew: false } })).toEqual([SWITCH]);
    });

    it("leaves them alone where they hold, and where a target has none", () => {
      expect(stepsFrom(fleet("new", 1), {}, "new")).toEqual([]);
      expect(stepsFrom(fleet("new", 1), { edge: undefined })).toEqual([]);
    });
  });

  describe("of jobs", () => {
    const jobs = (release: string, ...services: string[]) => services.map((service) => ({ service, release }));
    const stepsFrom = (standing: ScheduledJob[], wanted: string[]) =>
      compileRollout(fleet("new", 2), desired({ jobs: wanted }), standing).map(describeStep);

    it("replaces, adds and removes them last", () => {
      expect(stepsFrom(jobs("old", "report", "tidy"), ["report", "mail"])).toEqual(["unschedule tidy", "schedule report, mail"]);
      const all = compileRollout(fleet("old", 2), desired({ isNew: true, jobs: ["report"] }), jobs("old", "report")).map(describeStep);
      expect(all.slice(-2)).toEqual(["watch web.2.new", "schedule report"]);
    });

    it("does nothing when they stand, and brings back what is missing", () => {
      expect(stepsFrom(jobs("new", "report"), ["report"])).toEqual([]);
      expect(stepsFrom([], ["report"])).toEqual(["schedule report"]);
    });
  });

  it("keeps its promises from any standing: never fewer serving, never two singletons, ends as desired", () => {
    const standing = fc.uniqueArray(
      fc.record({
        service: fc.constantFrom("web", "clock"),
        release: fc.constantFrom("old", "older", "new"),
        slot: fc.integer({ min: 1, max: 6 }),
        attached: fc.boolean(),
      }),
      { selector: (one) => `${one.service}.${one.slot}.${one.release}`, maxLength: 14 },
    );
    const wanted = fc.record({
      count: fc.integer({ min: 1, max: 6 }),
      batch: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constantFrom("25%", "100%")),
      strategy: fc.constantFrom("rolling" as const, "blueGreen" as const),
    });
    fc.assert(
      fc.property(standing, wanted, (places, { count, batch, strategy }) => {
        // One scheduler at the most can stand at the beginning, whatever was interrupted.
        const clocks = places.filter((one) => one.service === "clock").slice(0, 1);
        const before = [...places.filter((one) => one.service === "web"), ...clocks].map((one) => ({ ...one, id: instanceId(one) }));
        const serving = before.filter((one) => one.service === "web" && one.attached).length;
        const goal = desired({
          batch,
          strategy,
          services: [
            { service: "web", count, singleton: false, web: true },
            { service: "clock", count: 1, singleton: true, web: false },
          ],
        });
        const after = perform(before, compileRollout(before, goal), (now, step) => {
          const web = now.filter((one) => one.service === "web" && one.attached).length;
          expect(web, JSON.stringify(step)).toBeGreaterThanOrEqual(Math.min(serving, count));
          expect(now.filter((one) => one.service === "clock").length).toBeLessThanOrEqual(1);
        });
        const ids = (attached: boolean) =>
          after
            .filter((one) => one.attached === attached && one.release === "new")
            .map((one) => one.id)
            .sort();
        expect(ids(true)).toEqual([...fleet("new", count), ...fleet("new", 1, true, "clock")].map((one) => one.id).sort());
        expect(after.filter((one) => one.attached && one.release !== "new")).toEqual([]);
        expect(compileRollout(after, goal)).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });
});
