import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batchSize, compileRollout, type Desired, describeStep, instanceId, type Standing, type Step } from "../../src/rollout/steps.ts";

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
  ...over,
});

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

  const canary = { strategy: "canary", canary: { weights: [0.05, 0.25], instances: 1 } } as const;

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

  it("has nobody to compare a first release with", () => {
    expect(compileRollout([], desired(canary)).map(describeStep)).toEqual(["start web.1.new, web.2.new", "put in service web.1.new, web.2.new"]);
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

describe("batchSize", () => {
  it.each([
    [1, 10, 1],
    [20, 10, 10],
    ["25%", 10, 2],
    ["1%", 10, 1],
    ["100%", 3, 3],
  ])("%s of %i is %i", (batch, count, size) => {
    expect(batchSize(batch, count)).toBe(size);
  });
});
