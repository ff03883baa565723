// A release with a fault: the command fails with the right diagnosis, and the release before serves every request meanwhile.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommissionReport, DeployReport, Status } from "../../src/reports.ts";
import { change, makeSandbox } from "./sandbox.ts";

describe("a release with a fault", () => {
  const sandbox = makeSandbox();
  let app = "";
  let address = "";
  let good = "";

  beforeAll(async () => {
    app = sandbox.copyApp("test/fixtures/apps/faulty");
    change(app, "fault.txt", "none\n");
    const commissioned = await sandbox.run(app, "commission", "local", "--json");
    expect(commissioned, commissioned.stderr).toMatchObject({ code: 0 });
    address = (JSON.parse(commissioned.stdout) as CommissionReport).address;
    const deployed = await sandbox.run(app, "deploy", "local", "--json");
    expect(deployed, deployed.stderr).toMatchObject({ code: 0 });
    good = (JSON.parse(deployed.stdout) as DeployReport).release;
  });
  afterAll(() => sandbox.dispose());

  /** Asks again and again until it is stopped; the answers that were not the good release's. */
  function watchAddress() {
    const wrong: string[] = [];
    let asked = 0;
    let going = true;
    const done = (async () => {
      while (going) {
        const answer = await fetch(address).then(async (response) => `${response.status} ${await response.text()}`, String);
        asked++;
        if (answer !== `200 release ${good}\n`) wrong.push(answer);
      }
    })();
    return async () => {
      going = false;
      await done;
      return { asked, wrong };
    };
  }

  it.each([
    ["crash-at-start", "INSTANCE_CRASHED", "cannot find the setting GREETING"],
    ["wrong-port", "INSTANCE_WRONG_PORT", "listens"],
    ["health-500", "HEALTH_STATUS", "database: password rejected"],
    ["never-healthy", "HEALTH_NEVER_PASSED", "no answer within 500ms"],
    ["migration-fails", "MIGRATION_FAILED", "node migrate.js"],
    ["ignores-sigterm", "INSTANCE_IGNORED_STOP", "SIGTERM"],
  ])("%s is %s", async (fault, code, evidence) => {
    change(app, "fault.txt", `${fault}\n`);
    const stopWatching = watchAddress();
    const deployed = await sandbox.run(app, "deploy", "local");
    const { asked, wrong } = await stopWatching();

    expect(deployed.code, deployed.stderr).toBe(1);
    expect(deployed.stderr).toContain(code);
    expect(deployed.stderr).toContain(evidence);
    expect(deployed.stderr).toContain(`Release ${good} is still serving all traffic.`);
    expect(asked).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
    const status = JSON.parse((await sandbox.run(app, "status", "local", "--json")).stdout) as Status;
    expect(status).toMatchObject({ release: good, services: [{ name: "web", wanted: 2, healthy: 2 }] });
    expect(status.services[0]?.instances.map((one) => one.release)).toEqual([good, good]);
  });
});
