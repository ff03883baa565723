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
    if (step.do === "attach") for (const one of now) if (step.ids.includes(one.id)) one.attached = true;
    if (step.do === "drain" || step.do === "keepWarm") for (const one of now) if (step.ids.includes(one.id)) one.attached = false;
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
    expect(compileRollout([...fleet("new", 2), ...fleet("old", 2, false)], desired({ strategy: "blueGreen" }))).toEqual([]);
  });

  it("removes a service that the new release no longer has", () => {
    const steps = compileRollout(fleet("old", 1, true, "mail"), desired({ services: [] }));
    expect(steps.map(describeStep)).toEqual(["ask mail.1.old", "drain mail.1.old", "stop mail.1.old"]);
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
