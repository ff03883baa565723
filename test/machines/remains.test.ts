// A rehearsal that is killed leaves machines, mounts, a network and running resources. The next one removes them, whatever it is of.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { rehearse } from "../../src/app.ts";
import { whyNoMachines } from "../../src/rehearse/root-filesystem.ts";
import { requires } from "../skips.ts";
import { listTraces, makeHome } from "./traces.ts";

const why = whyNoMachines();
const MINUTES = 60_000;
const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

requires(why ?? "machines", why === undefined)("a killed rehearsal", () => {
  let home: string;
  let child: ChildProcess | undefined;
  beforeAll(async () => {
    home = await makeHome();
    process.env.LANDFALL_HOME = home;
  }, 15 * MINUTES);
  afterAll(() => {
    child?.kill("SIGKILL");
    rmSync(home, { recursive: true, force: true });
  });

  const machines = () => {
    const folder = join(home, "rehearse/running/guestbook-local/machines");
    return existsSync(folder) ? readdirSync(folder).filter((name) => existsSync(join(folder, name, "root/etc"))) : [];
  };

  it("leaves nothing once the next has begun, of another app", { timeout: 10 * MINUTES }, async () => {
    const args = [at("bin/landfall.js"), "rehearse", "web", "--dirty", "--max", "1", "--strategy", "rolling"];
    child = spawn(process.execPath, args, { cwd: at("examples/guestbook"), stdio: "ignore", env: { ...process.env, LANDFALL_HOME: home } });
    const traces = () => listTraces(home, "guestbook-local");
    // Network, group, resources, and the folder with its lock.
    while ((machines().length === 0 || traces().length < 5) && child.exitCode === null) await sleep(100);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(traces()).toHaveLength(5);

    await expect(rehearse("web", { folder: at("examples/palette"), from: "no-such-ref" })).rejects.toMatchObject({ code: "GIT_REF_UNKNOWN" });
    expect(traces()).toEqual([]);
  });
});
