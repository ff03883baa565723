// A machine that makes an image, while Debian looks for updates on it by itself: apt's lists are locked then, and apt does not wait for them.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Instance, MachineHost } from "../../src/rehearse/machine-host.ts";
import { openMachineHost } from "../../src/rehearse/machine-host.ts";
import { ensureRootFilesystem, whyNoMachines } from "../../src/rehearse/root-filesystem.ts";
import { requires } from "../skips.ts";
import { CACHE } from "./stage.ts";

const why = whyNoMachines();
const TASK = readFileSync(new URL("../../src/machine/programs/one-off-task.sh", import.meta.url), "utf8");
/** Holds the lock as apt does, which locks with fcntl, until somebody says that it may go. */
const HOLD = `import fcntl, os, time
os.makedirs("/var/lib/apt/lists", exist_ok=True)
lock = open("/var/lib/apt/lists/lock", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
open("/run/held", "w").close()
while not os.path.exists("/run/may-go"):
    time.sleep(0.1)
`;
/** With no sources it needs no network; the lists are locked all the same. */
const UPDATE = "apt-get -qq update -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null";

requires(why ?? "machines", why === undefined)("on a machine that looks for updates", () => {
  let folder: string;
  let host: MachineHost;
  let machine: Instance;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "landfall-apt-"));
    chmodSync(folder, 0o711);
    host = await openMachineHost({ folder, rootFilesystem: await ensureRootFilesystem(CACHE, () => {}), answerers: [], resources: [] });
    machine = host.boot({ role: "apt", userData: "" });
  }, 15 * 60_000);
  afterAll(async () => {
    await host?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("apt is had alone once that has ended", async () => {
    await expect.poll(() => machine.run("systemctl is-active multi-user.target").catch(() => ""), { timeout: 120_000 }).toBe("active\n");
    writeFileSync(join(machine.root, "srv/hold.py"), HOLD);
    writeFileSync(join(machine.root, "srv/task.sh"), TASK.slice(TASK.indexOf("have_apt_alone() {"), TASK.indexOf("bake() {")));
    await machine.run(
      "mkdir -p /run/systemd/system/apt-daily.service.d && printf '[Service]\\nExecStartPre=\\nExecStart=\\nExecStart=/usr/bin/python3 /srv/hold.py\\n' >/run/systemd/system/apt-daily.service.d/hold.conf && systemctl daemon-reload && systemctl start --no-block apt-daily.service",
    );
    await expect.poll(() => machine.run("ls /run/held").catch(() => ""), { timeout: 60_000 }).not.toBe("");
    await expect(machine.run(UPDATE)).rejects.toThrow(/Could not get lock \/var\/lib\/apt\/lists\/lock/);

    const alone = machine.run(`bash -c 'set -euo pipefail; source /srv/task.sh; touch /run/waits; have_apt_alone; ${UPDATE}'`);
    await expect.poll(() => machine.run("ls /run/waits").catch(() => ""), { timeout: 60_000 }).not.toBe("");
    await machine.run("touch /run/may-go");
    await alone;
    expect(await machine.run("systemctl is-active apt-daily.timer || true")).toBe("inactive\n");
  });

  it("the clients of Python trust the rehearsal's authority, in a virtual environment as well", async () => {
    const asked = "from certifi import where, contents; assert contents(); print(where())";
    expect(await machine.run(`python3 -c '${asked}'`)).toBe("/etc/ssl/certs/ca-certificates.crt\n");
    expect(await machine.run(`python3 -m venv --without-pip /srv/venv && /srv/venv/bin/python -c '${asked}'`)).toBe(
      "/etc/ssl/certs/ca-certificates.crt\n",
    );
    const subject = await machine.run("openssl storeutl -noout -text -certs /etc/ssl/certs/ca-certificates.crt | grep -c 'Subject: .*[Ll]andfall'");
    expect(Number(subject)).toBeGreaterThan(0);
  });
});
