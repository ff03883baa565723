// The guestbook's whole life on this machine, under load: nothing is lost while releases, numbers and processes change.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommissionReport, DecommissionReport, DeployReport, Status } from "../../src/reports.ts";
import { startLoad } from "./load.ts";
import { change, makeSandbox } from "./sandbox.ts";

describe("the guestbook on this machine", () => {
  const sandbox = makeSandbox();
  let app = "";
  let address = "";
  const landfall = async (...args: string[]) => {
    const outcome = await sandbox.run(app, ...args);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    return outcome;
  };
  const report = async <T>(...args: string[]) => JSON.parse((await landfall(...args, "--json")).stdout) as T;
  const status = () => report<Status>("status", "local");

  beforeAll(() => {
    app = sandbox.copyApp("examples/guestbook");
  });
  afterAll(() => sandbox.dispose());

  it("is commissioned and deployed", async () => {
    const commissioned = await report<CommissionReport>("commission", "local");
    expect(commissioned.changed).toBe(true);
    address = commissioned.address;
    expect(await report<DeployReport>("deploy", "local")).toMatchObject({ changed: true, imageMade: true });
    const page = await fetch(address);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("<form");
    const { services, resources } = await status();
    expect(services.map(({ name, kind, healthy }) => ({ name, kind, healthy }))).toEqual([
      { name: "web", kind: "web", healthy: 3 },
      { name: "worker", kind: "worker", healthy: 1 },
      { name: "scheduler", kind: "scheduler", healthy: 1 },
      { name: "cleaning", kind: "job", healthy: 0 },
    ]);
    expect(resources.map(({ name, state }) => `${name} ${state}`).sort()).toEqual(["database running", "jobs running", "uploads running"]);
  });

  it("changes nothing the second time", async () => {
    const before = await status();
    expect(await report<CommissionReport>("commission", "local")).toMatchObject({ changed: false });
    expect(await report<DeployReport>("deploy", "local")).toMatchObject({ changed: false });
    expect((await status()).services).toEqual(
      before.services.map((service) => ({
        ...service,
        instances: service.instances.map((one) => expect.objectContaining({ id: one.id, pid: one.pid })),
      })),
    );
  });

  it("lists its instances as an Ansible inventory", async () => {
    const inventory = JSON.parse((await landfall("hosts", "local", "--list")).stdout);
    expect(inventory.web.hosts).toHaveLength(3);
    expect(inventory._meta.hostvars[inventory.web.hosts[0]]).toMatchObject({ ansible_connection: "local", landfall_service: "web" });
  });

  it("runs a command in the release with a service's variables", async () => {
    const { stdout } = await landfall(
      "exec",
      "local",
      "web",
      "--",
      "node",
      "-e",
      "console.log(new URL(process.env.DATABASE_URL).protocol, process.env.LANDFALL_SERVICE)",
    );
    expect(stdout).toContain("postgres: web");
  });

  it("keeps passwords out of files that others can read, and out of the process list", async () => {
    const { stdout } = await landfall("exec", "local", "web", "--", "node", "-e", "console.log(new URL(process.env.DATABASE_URL).password)");
    const password = stdout.trim().split("\n").at(-1) ?? "";
    expect(password.length).toBeGreaterThan(10);
    expect(execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })).not.toContain(password);
    for (const file of ["supervisor/processes.json", "environment.json", "balancer.json"]) {
      const path = join(sandbox.home, "apps/guestbook/environments/local", file);
      expect(readFileSync(path, "utf8"), file).not.toContain(password);
    }
  });

  it("loses no request in deploys, a rollback, scaling and a kill", async () => {
    const load = startLoad({ url: address, perSecond: 60, ws: 6 });
    const config = readFileSync(join(app, "landfall.config.ts"), "utf8");
    for (const strategy of ["rolling", "blueGreen"]) {
      change(app, "landfall.config.ts", config.replace("environments:", `rollout: { strategy: "${strategy}" },\n  environments:`));
      change(app, "public.txt", strategy);
      expect(await report<DeployReport>("deploy", "local")).toMatchObject({ changed: true, imageMade: false });
    }
    const { previous } = await status();
    expect(await report<DeployReport>("rollback", "local")).toMatchObject({ changed: true, release: previous });
    await landfall("scale", "local", "web=4");
    await landfall("scale", "local", "web=3");
    const idle = (await status()).services[0]?.instances.find((one) => one.state === "warm");
    if (idle?.pid) process.kill(idle.pid, "SIGKILL");
    const result = await load.stop();
    expect(result.failures.slice(0, 5)).toEqual([]);
    expect(result.requests).toBeGreaterThan(500);
  }, 240_000);

  it("leaves nothing behind", async () => {
    const before = await status();
    const gone = await report<DecommissionReport>("decommission", "local", "--yes");
    expect(gone.removed.length).toBeGreaterThan(5);
    expect(existsSync(sandbox.home) ? readdirSync(sandbox.home, { recursive: true }) : []).toEqual([]);
    await expect(fetch(before.address ?? "")).rejects.toThrow();
    const pids = before.services.flatMap((service) => service.instances.flatMap((one) => one.pid ?? []));
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  });
});
