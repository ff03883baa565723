import { describe, expect, it } from "vitest";
import { Liveness, type Seen } from "../../../../src/targets/local/supervisor/liveness.ts";

const one = (slot: number, state: Seen["state"], rest: Partial<Seen> = {}): Seen => ({
  id: `web.${slot}`,
  service: "web",
  state,
  since: 0,
  replaceAfterMs: 60_000,
  startupMs: 120_000,
  ...rest,
});
const all = (...states: Seen["state"][]) => states.map((state, index) => one(index + 1, state));
const NONE = { hung: [], together: [] };

describe("an instance that fails its check", () => {
  it("is replaced when it has for long enough without a break", () => {
    const liveness = new Liveness();
    expect(liveness.look(all("passes", "fails"), 0)).toEqual(NONE);
    expect(liveness.look(all("passes", "fails"), 59_000)).toEqual(NONE);
    expect(liveness.look(all("passes", "passes"), 59_500)).toEqual(NONE);
    expect(liveness.look(all("passes", "fails"), 60_000)).toEqual(NONE);
    expect(liveness.look(all("passes", "fails"), 120_000)).toEqual({ hung: [{ id: "web.2", failingMs: 60_000 }], together: [] });
  });

  it("has twice as long after each time that did not help, until it was healthy for long", () => {
    const liveness = new Liveness();
    const times: number[] = [];
    for (let now = 0; now <= 480_000; now += 1_000) {
      if (liveness.look(all("passes", "fails"), now).hung.length === 0) continue;
      times.push(now);
      liveness.replaced("web.2");
    }
    expect(times).toEqual([60_000, 181_000, 422_000]);
    liveness.look(all("passes", "passes"), 500_000);
    liveness.look(all("passes", "passes"), 1_200_000);
    liveness.look(all("passes", "fails"), 1_300_000);
    expect(liveness.look(all("passes", "fails"), 1_360_000).hung).toHaveLength(1);
  });

  it("that was started again has its time to start", () => {
    const liveness = new Liveness();
    const starting = [one(1, "passes"), one(2, "starts", { since: 10_000 })];
    expect(liveness.look(starting, 129_000)).toEqual(NONE);
    expect(liveness.look(starting, 130_000).hung).toEqual([{ id: "web.2", failingMs: 120_000 }]);
  });

  it("is left alone where the configuration says so, and where there is nothing to replace", () => {
    const liveness = new Liveness();
    const left = [one(1, "passes"), one(2, "passes"), one(3, "passes"), one(4, "fails", { replaceAfterMs: 0 }), one(5, "down")];
    for (const now of [0, 1_000_000]) expect(liveness.look(left, now)).toEqual(NONE);
  });
});

describe("instances that fail together", () => {
  it.each([
    { states: ["fails"], replaced: 1 },
    { states: ["fails", "passes"], replaced: 1 },
    { states: ["fails", "fails"], replaced: 0 },
    { states: ["fails", "down"], replaced: 0 },
    { states: ["fails", "fails", "passes"], replaced: 0 },
    { states: ["fails", "fails", "passes", "passes"], replaced: 2 },
  ] as { states: Seen["state"][]; replaced: number }[])("$states: $replaced are replaced", ({ states, replaced }) => {
    const liveness = new Liveness();
    liveness.look(all(...states), 0);
    const { hung, together } = liveness.look(all(...states), 60_000);
    expect(hung).toHaveLength(replaced);
    expect(together).toHaveLength(replaced > 0 ? 0 : 1);
  });

  it("are told once, and again when it comes again; another service is none of theirs", () => {
    const liveness = new Liveness();
    const other = [one(1, "passes", { id: "api.1", service: "api" }), one(2, "fails", { id: "api.2", service: "api" })];
    liveness.look([...all("fails", "fails"), ...other], 0);
    const first = liveness.look([...all("fails", "fails"), ...other], 60_000);
    expect(first).toEqual({ hung: [{ id: "api.2", failingMs: 60_000 }], together: [{ service: "web", failing: 2, count: 2 }] });
    expect(liveness.look(all("fails", "fails"), 61_000).together).toEqual([]);
    liveness.look(all("passes", "passes"), 62_000);
    liveness.look(all("fails", "fails"), 63_000);
    expect(liveness.look(all("fails", "fails"), 123_000).together).toHaveLength(1);
  });
});
