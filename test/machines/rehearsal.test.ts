// The rehearsal as a whole: machines, load, and the strategies forth and back by the code that deploys on AWS. And that it leaves nothing.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { rehearse } from "../../src/app.ts";
import type { LandfallError } from "../../src/error.ts";
import type { Progress } from "../../src/progress.ts";
import { whyNoMachines } from "../../src/rehearse/root-filesystem.ts";
import { requires } from "../skips.ts";
import { listTraces, makeHome } from "./traces.ts";

const why = whyNoMachines();
const MINUTES = 60_000;
const folder = fileURLToPath(new URL("../../examples/guestbook", import.meta.url));

requires(why ?? "machines", why === undefined)("a rehearsal of the guestbook", () => {
  let home: string;
  beforeAll(async () => {
    home = await makeHome();
    process.env.LANDFALL_HOME = home;
  }, 15 * MINUTES);
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it("loses no request in any phase, and leaves nothing", { timeout: 20 * MINUTES }, async () => {
    const progress: Progress[] = [];
    const report = await rehearse("web", { folder, dirty: true, max: 2, rate: 20, emit: (event) => progress.push(event) });
    console.log(
      report.phases.map(({ name, requests, lost, slowestMs }) => `${name}: ${lost} of ${requests} lost, slowest ${slowestMs} ms`).join("\n"),
    );
    console.log(`from power-on to the signal: ${report.signals.map(({ signalMs }) => signalMs / 1000).join(", ")} s`);
    expect(report.phases.map(({ name }) => name)).toEqual(["steady", "rolling", "rolling back", "blueGreen", "switching back"]);
    expect(report.phases.map(({ losses }) => losses)).toEqual([{}, {}, {}, {}, {}]);
    // Two to begin with, and two for each way: the fleet that another one has replaced is gone when its release comes back.
    expect(report).toMatchObject({ app: "guestbook", environment: "local", machines: 10, lost: 0 });
    expect(report.requests).toBeGreaterThan(300);
    expect(report.releases.before).not.toBe(report.releases.after);
    expect(progress.filter(({ type }) => type === "failed")).toEqual([]);
    // The stages of a deploy on AWS, in its words.
    const texts = progress.flatMap((event) => (event.type === "finished" ? [event.text] : []));
    expect(texts).toEqual(expect.arrayContaining(["start what is new beside what serves", "all requests to the new fleet", "release phase done"]));
    expect(listTraces(home, "guestbook-local")).toEqual([]);
  });

  it("says what is wrong when there is no such thing to rehearse", async () => {
    await expect(rehearse("wbe", { folder })).rejects.toMatchObject({ code: "SERVICE_UNKNOWN" } satisfies Partial<LandfallError>);
  });
});
