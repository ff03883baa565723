// Files of the state that are damaged, with their copies, and sockets that somebody has removed: each is named, and there is a way on.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeployReport, RecordedEvent, Status } from "../../src/index.ts";
import { ensureLocalCertificate } from "../../src/targets/local/balancer/local-ca.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello", "damaged");
const paths = pathsOf(sandbox.home, "damaged", "local");
const certificate = join(sandbox.folder, "tls", "server.pem");
const key = join(sandbox.folder, "tls", "server.key");

const configuration = (tls = "false") => `import { defineApp } from "landfall";
export default defineApp({
  name: "damaged",
  services: {
    web: { command: "exec node server.js", port: 8080, instances: 2, health: { interval: "100ms", steadyFor: "200ms" }, stop: { timeout: "3s" } },
  },
  environments: { local: { target: "local", tls: ${tls} } },
});
`;
const run = (...args: string[]): Promise<Outcome> => sandbox.run(app, ...args);
async function succeed(...args: string[]): Promise<Outcome> {
  const outcome = await run(...args);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
}
const report = async <T>(...args: string[]) => JSON.parse((await succeed(...args, "--json")).stdout) as T;
const statusOf = () => report<Status>("status", "local");
const damage = (file: string) => {
  for (const path of [file, `${file}.copy`]) writeFileSync(path, '{"records":[');
};
const until = async (isSo: () => Promise<boolean> | boolean) => {
  while (!(await isSo()));
};
const pids = async () => (await statusOf()).services.flatMap(({ instances }) => instances.map(({ pid }) => pid));
const kill = (pid: number | undefined) => process.kill(pid ?? 0, "SIGKILL");
const supervisorPid = () => Number(execFileSync("pgrep", ["-f", `supervisor/main.js ${paths.environment}`], { encoding: "utf8" }));
/** A new one, with another key than the one before. */
const makeCertificate = async () => {
  for (const file of [certificate, key]) rmSync(file, { force: true });
  await ensureLocalCertificate(join(sandbox.folder, "tls"), []);
};

const isListening = async () => {
  const { address = "" } = await statusOf();
  return new Promise<boolean>((resolve) =>
    get(address, { rejectUnauthorized: false, agent: false, signal: AbortSignal.timeout(5_000) }, (response) =>
      resolve(response.resume().statusCode === 200),
    ).on("error", () => resolve(false)),
  );
};

let deployed: DeployReport;

beforeAll(async () => {
  change(app, "landfall.config.ts", configuration());
  await succeed("commission", "local");
  deployed = await report<DeployReport>("deploy", "local");
});
afterAll(() => sandbox.dispose());

describe("the record of the environment", () => {
  it("is named, and written anew by a commission: the release, the address and what runs stay", async () => {
    const before = await pids();
    damage(paths.record);
    for (const command of ["status", "deploy", "rollback"]) {
      const { code, stderr } = await run(command, "local");
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/environment\.json" is damaged.*STATE_DAMAGED/) });
      expect(stderr).toContain("landfall commission local");
    }
    await succeed("commission", "local");
    expect(await statusOf()).toMatchObject({ release: deployed.release, address: deployed.address, services: [{ healthy: 2 }] });
    expect(await pids()).toEqual(before);
  });
});

describe("the record of a release", () => {
  it("is named, and written again by a deploy of what it was made of", async () => {
    damage(join(paths.releases, `${deployed.release}.json`));
    expect(await statusOf()).toMatchObject({ release: deployed.release, services: [{ healthy: 2 }] });
    const before = await pids();
    expect(await report<DeployReport>("deploy", "local")).toMatchObject({ changed: false, release: deployed.release });
    expect((await statusOf()).description).toContain("commit");
    expect(await pids()).toEqual(before);
  });
});

describe("the record of the processes", () => {
  it("does not keep a supervisor from starting; what ran is ended, and brought back by resume", async () => {
    const before = await pids();
    const lost = async () => (await report<RecordedEvent[]>("events", "local")).find(({ type }) => type === "records-lost");
    damage(join(paths.supervisor, "processes.json"));
    kill(supervisorPid());
    // Whoever sees that it is gone starts another.
    await until(async () => (await lost()) !== undefined);
    await succeed("resume", "local", "--wait");
    expect(await statusOf()).toMatchObject({ release: deployed.release, supervisor: "running", services: [{ healthy: 2 }] });
    expect(await pids()).not.toEqual(before);
    expect((await lost())?.text).toContain("processes.json");
    expect((await statusOf()).strays).toBeUndefined();
  });
});

describe("a socket that somebody has removed", () => {
  it.each(["supervisorSocket", "balancerSocket", "keeperSocket"] as const)("is made again: %s", async (socket) => {
    const before = supervisorPid();
    rmSync(paths[socket]);
    await until(() => existsSync(paths[socket]));
    expect(await statusOf()).toMatchObject({ supervisor: "running", services: [{ healthy: 2 }] });
    expect(supervisorPid()).toBe(before);
  });
});

describe("a certificate of one's own", () => {
  const tls = `{ certificate: "${certificate}", key: "${key}" }`;

  it("that is missing, or another key's, is refused before anything changes", async () => {
    change(app, "landfall.config.ts", configuration(tls));
    const missing = await run("commission", "local");
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("CERTIFICATE_UNUSABLE") });
    expect(missing.stderr).toContain(certificate);
    await makeCertificate();
    const other = readFileSync(certificate);
    await makeCertificate();
    writeFileSync(certificate, other);
    expect((await run("commission", "local")).stderr).toContain(`It is the key of another certificate than "${certificate}".`);
    expect((await statusOf()).address).toBe(deployed.address);
  });

  it("that goes missing stops no balancer that runs, and one that is started waits for it and says so", async () => {
    await makeCertificate();
    await succeed("commission", "local");
    await until(isListening);
    rmSync(key);
    expect(await isListening()).toBe(true);
    // The one before may still finish what it has in hand.
    kill(Number(execFileSync("pgrep", ["-n", "-f", `balancer/main.js .*${paths.environment}`], { encoding: "utf8" })));
    await until(async () => (await statusOf()).balancer?.includes(key) ?? false);
    await makeCertificate();
    await until(isListening);
    expect((await statusOf()).balancer).toBeUndefined();
  });
});

describe("a mistake in the configuration", () => {
  it("keeps nobody from decommissioning an environment that it is not in", async () => {
    change(app, "landfall.config.ts", configuration().replace('command: "exec', 'comand: "exec'));
    expect((await run("status", "local")).stderr).toContain('did you mean "command"?');
    await succeed("decommission", "local", "--yes");
  });
});
