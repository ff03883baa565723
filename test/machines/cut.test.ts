// A machine whose power is cut while it writes, as a rehearsal does with a fleet that it replaces: what ran in it has ended before its disk goes.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type MachineHost, openMachineHost } from "../../src/rehearse/machine-host.ts";
import { ensureRootFilesystem, whyNoMachines } from "../../src/rehearse/root-filesystem.ts";
import { requires } from "../skips.ts";
import { CACHE } from "./stage.ts";

const why = whyNoMachines();

requires(why ?? "machines", why === undefined)("a machine that is cut off", () => {
  let folder: string;
  let host: MachineHost;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "landfall-cut-"));
    chmodSync(folder, 0o711);
    host = await openMachineHost({ folder, rootFilesystem: await ensureRootFilesystem(CACHE, () => {}), answerers: [], resources: [] });
  }, 15 * 60_000);
  afterAll(async () => {
    await host?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is removed whole while it writes", async () => {
    for (let count = 1; count <= 4; count++) {
      const machine = host.boot({ role: "cut", userData: "" });
      await expect.poll(() => machine.run("echo up").catch(() => ""), { timeout: 60_000 }).toBe("up\n");
      const write = "while :; do mkdir -p /written/$RANDOM/$RANDOM/$RANDOM; done";
      await machine.run(`for i in 1 2 3 4 5 6; do setsid bash -c '${write}' >/dev/null 2>&1 & done`);
      await machine.kill();
      await machine.remove();
      expect(readdirSync(join(folder, "machines"))).toEqual([]);
    }
  });
});
