// The rehearsal as a whole: machines, load, both strategies and back. And that it leaves nothing, also when it was killed before.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { rehearse } from "../../src/app.ts";
import type { LandfallError } from "../../src/error.ts";
import type { Progress } from "../../src/progress.ts";
import { findCgroups, whyNoMachines } from "../../src/rehearse/tree.ts";
import { requires } from "../skips.ts";
import { CACHE } from "./stage.ts";

const why = whyNoMachines();
const MINUTES = 60_000;
const folder = fileURLToPath(new URL("../../examples/guestbook", import.meta.url));

requires(why ?? "machines", why === undefined)("a rehearsal of the guestbook", () => {
  let home: string;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), "landfall-rehearsal-"));
    chmodSync(home, 0o711);
    process.env.LANDFALL_HOME = home;
    // Tree and images of the other tests.
    mkdirSync(CACHE, { recursive: true });
    symlinkSync(CACHE, join(home, "rehearse"));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const names = () =>
    execFileSync("ip", ["netns"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line.startsWith("landfall-"));
  const groups = () => readdirSync(findCgroups() as string).filter((name) => name.startsWith("landfall-"));

  it("loses no request in any phase, and leaves nothing", { timeout: 20 * MINUTES }, async () => {
    const before = { names: names(), groups: groups() };
    const progress: Progress[] = [];
    const report = await rehearse("web", { folder, dirty: true, max: 2, rate: 20, emit: (event) => progress.push(event) });
    console.log(
      report.phases.map(({ name, requests, lost, slowestMs }) => `${name}: ${lost} of ${requests} lost, slowest ${slowestMs} ms`).join("\n"),
    );
    console.log(`from power-on to the signal: ${report.signals.map(({ signalMs }) => signalMs / 1000).join(", ")} s`);
    expect(report.phases.map(({ name }) => name)).toEqual(["steady", "rolling", "rolling back", "blueGreen", "switching back"]);
    expect(report.phases.map(({ losses }) => losses)).toEqual([{}, {}, {}, {}, {}]);
    expect(report).toMatchObject({ app: "guestbook", environment: "local", machines: 8, lost: 0 });
    expect(report.requests).toBeGreaterThan(300);
    expect(progress.filter(({ type }) => type === "failed")).toEqual([]);
    expect({ names: names(), groups: groups() }).toEqual(before);
    expect(existsSync(join(home, "apps", "guestbook"))).toBe(false);
    expect(readdirSync(join(CACHE, "running")).filter((name) => name.startsWith("guestbook-local"))).toEqual([]);
  });

  it("says what is wrong when there is no such thing to rehearse", async () => {
    await expect(rehearse("wbe", { folder })).rejects.toMatchObject({ code: "SERVICE_UNKNOWN" } satisfies Partial<LandfallError>);
  });
});
