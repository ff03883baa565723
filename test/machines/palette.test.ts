// The Python example on machines, in the same way.
import { afterAll, beforeAll, expect, it } from "vitest";
import { whyNoMachines } from "../../src/rehearse/root-filesystem.ts";
import { requires } from "../skips.ts";
import { type Booted, openStage, type Stage } from "./stage.ts";

const why = whyNoMachines();
const MINUTES = 60_000;

requires(why ?? "machines", why === undefined)("the palette on machines", () => {
  let stage: Stage;
  let [web, worker] = [] as unknown as [Booted, Booted];

  beforeAll(async () => {
    stage = await openStage("palette");
    const release = await stage.release("cccccccccc");
    [web, worker] = ["web", "worker"].map((service) => stage.boot(service, release)) as [Booted, Booted];
    const signals = await Promise.all([web, worker].map((one) => one.signal()));
    console.log(`from power-on to the signal, two machines at once: ${signals.map(({ ms }) => `${ms / 1000} s`).join(", ")}`);
    expect(signals.map(({ call }) => call.input.Status)).toEqual(["SUCCESS", "SUCCESS"]);
  }, 15 * MINUTES);
  afterAll(() => stage?.stop(), 2 * MINUTES);

  it("answers, and its worker works", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    expect((await web.ask("/palettes", { method: "POST", headers, body: "color=%233b7dd8" })).status).toBe(303);
    for (let turn = 0; turn < 100; turn++) {
      const [palette] = JSON.parse((await web.ask("/palettes.json")).text);
      if (palette.shades) return expect(palette.shades).toHaveLength(7);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error("no shades were made");
  });
});
