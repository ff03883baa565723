// A disk that is full or read-only under a running environment: said clearly, nothing lost, and all works again afterwards.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { CommissionReport, DeployReport, Status } from "../../src/reports.ts";
import { canMount, fill, mountDisk } from "../full-disk.ts";
import { change, makeSandbox } from "./sandbox.ts";

describe.skipIf(!canMount)(`a disk${canMount ? "" : " (needs root on Linux, to mount one)"}`, () => {
  const sandbox = makeSandbox();
  const app = sandbox.copyApp("test/fixtures/apps/hello");
  const unmount = mountDisk(sandbox.home, 32);
  afterAll(async () => {
    rmSync(join(sandbox.home, "fill"), { force: true });
    await sandbox.run(app, "decommission", "local", "--yes");
    unmount();
    await sandbox.dispose();
  });

  const report = async <T>(...args: string[]) => {
    const outcome = await sandbox.run(app, ...args, "--json");
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    return JSON.parse(outcome.stdout) as T;
  };
  const refused = async (...args: string[]) => {
    const { stderr } = await sandbox.run(app, ...args, "--json");
    return (JSON.parse(stderr.slice(stderr.indexOf('{\n  "error"'))) as { error: { code: string; what: string; next: string } }).error;
  };

  it("that is full stops what would change something, and nothing that runs", async () => {
    const { address } = await report<CommissionReport>("commission", "local");
    const { release } = await report<DeployReport>("deploy", "local");
    change(app, "new.txt", "new");
    const giveBack = fill(sandbox.home);
    for (const command of [
      ["deploy", "local"],
      ["scale", "local", "web=3"],
      ["commission", "local"],
    ]) {
      expect(await refused(...command)).toMatchObject({
        code: "STATE_UNWRITABLE",
        what: expect.stringContaining("the disk has no room for the state in"),
        next: "make room on that disk (df -h shows how full it is), then run the command again",
      });
    }
    expect((await sandbox.runWithInput("v", app, "secrets", "set", "local", "KEY")).stderr).toContain("STATE_UNWRITABLE");
    expect(await (await fetch(address)).text()).toContain(release);
    const status = await report<Status>("status", "local");
    expect(status).toMatchObject({ supervisor: "running", release, services: [{ healthy: 2 }, { healthy: 1 }] });
    // What crashes meanwhile is started again all the same.
    process.kill(status.services[0]?.instances[0]?.pid as number, "SIGKILL");
    await expect
      .poll(async () => (await report<Status>("status", "local")).services[0], { timeout: 20_000, interval: 300 })
      .toMatchObject({ healthy: 2, instances: expect.arrayContaining([expect.objectContaining({ restarts: 1 })]) });

    giveBack();
    const after = await report<DeployReport>("deploy", "local");
    expect(after).toMatchObject({ changed: true, previous: release });
    expect(await (await fetch(address)).text()).toContain(after.release);
  });

  it("that is read-only is named by every command that would write to it", async () => {
    const readOnly = (line: string) =>
      spawnSync("unshare", ["-m", "sh", "-c", `mount --bind "$H" "$H" && mount -o remount,ro,bind "$H" && "$NODE" "$BIN" ${line}`], {
        cwd: app,
        encoding: "utf8",
        env: {
          ...process.env,
          H: sandbox.home,
          LANDFALL_HOME: sandbox.home,
          NODE: process.execPath,
          BIN: join(import.meta.dirname, "../../bin/landfall.js"),
          NO_COLOR: "1",
        },
      });
    for (const command of ["deploy local", "commission local", "scale local web=3", "clean", "decommission local --yes"]) {
      const { status, stderr } = readOnly(command);
      expect([command, status, stderr]).toEqual([command, 1, expect.stringMatching(/could not be written +STATE_UNWRITABLE\n/)]);
      expect(stderr).toContain("EROFS: read-only file system");
    }
    for (const command of ["status local", "logs local --tail 1", "events local", "secrets list local", "check"]) {
      expect([command, readOnly(command).status]).toEqual([command, 0]);
    }
    expect(await report<Status>("status", "local")).toMatchObject({ supervisor: "running", services: [{ healthy: 2 }, { healthy: 1 }] });
    expect(await report("decommission", "local", "--yes")).toMatchObject({ kept: [] });
    expect(readdirSync(sandbox.home)).toEqual([]);
    expect([readOnly("commission local").status, readOnly("commission local").stderr]).toEqual([1, expect.stringContaining("STATE_UNWRITABLE")]);
  });
});
