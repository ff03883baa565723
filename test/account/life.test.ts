// The guestbook's whole life on a real account: what no emulator can prove. It costs some dollars and about an hour and a half, makes an app of
// a name of its own, and removes everything. `LANDFALL_AWS_TEST=1 npm run test:aws`, with credentials and a region of the SDK's
// standard chain; `landfall iam` prints what they need. A preflight comes first, of which nothing is billed: where it finds something, nothing is made.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommissionReport, DecommissionReport, DeployReport, LogLine, PreflightReport, Status } from "../../src/reports.ts";
import { startLoad } from "../end-to-end/load.ts";
import { change, makeSandbox } from "../end-to-end/sandbox.ts";

const enabled = process.env.LANDFALL_AWS_TEST === "1";
/** An emulator has no machines that could answer; what needs some is left out there. */
const hasMachines = process.env.AWS_ENDPOINT_URL === undefined;
const HOURS_MS = 3_600_000;
const PREFLIGHT_MS = 900_000;
const PER_SECOND = 20;

describe.skipIf(!enabled)(
  enabled ? "the guestbook on an account" : "the guestbook on an account (needs LANDFALL_AWS_TEST=1)",
  { timeout: 2 * HOURS_MS },
  () => {
    const sandbox = enabled ? makeSandbox() : undefined;
    const name = `lf-${randomBytes(3).toString("hex")}`;
    let app = "";
    let address = "";

    const run = async (...args: string[]) => (sandbox as NonNullable<typeof sandbox>).run(app, ...args);
    const landfall = async (...args: string[]) => {
      const outcome = await run(...args);
      expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
      return outcome.stdout;
    };
    const report = async <T>(...args: string[]) => JSON.parse(await landfall(...args, "--json")) as T;
    const configure = (rollout: string) =>
      change(
        app,
        "landfall.config.ts",
        readFileSync(join(app, "landfall.config.ts"), "utf8")
          .replace(/name: "[^"]*"/, `name: "${name}"`)
          .replace(/database: \{[^}]*\}/, 'database: { type: "postgres", deletionProtection: false, finalSnapshot: false }')
          .replace(/instances: \{[^}]*\}/, "instances: { min: 2, max: 4 }")
          .replace(
            /environments: \{[\s\S]*$/,
            `environments: { production: { target: "aws", network: { nat: "none" }, rollout: ${rollout} } },\n});\n`,
          ),
      );
    /** Runs an operation under constant load and returns how many requests were lost. */
    const underLoad = async (act: () => Promise<unknown>): Promise<number> => {
      if (!hasMachines) return act().then(() => 0);
      const load = startLoad({ url: address, perSecond: PER_SECOND, ws: 2, mix: { list: 70, post: 30 } });
      await act();
      const { failures, requests } = await load.stop();
      expect(requests).toBeGreaterThan(PER_SECOND);
      return failures.length;
    };

    beforeAll(async () => {
      if (!sandbox) return;
      app = sandbox.copyApp("examples/guestbook");
      configure('{ strategy: "rolling" }');
      const { code, stdout, stderr } = await run("preflight", "production", "--json");
      expect(stdout, stderr).toMatch(/^\{/);
      const { answers } = JSON.parse(stdout) as PreflightReport;
      console.log(answers.flatMap(({ unasked }) => unasked).join("\n"));
      expect(answers.flatMap(({ findings }) => findings)).toEqual([]);
      expect(code, stderr).toBe(0);
    }, PREFLIGHT_MS);
    afterAll(async () => {
      if (!sandbox) return;
      await run("decommission", "production", "--yes");
      await sandbox.dispose();
    }, HOURS_MS);

    it("is planned with its cost, commissioned, and found as it is", async () => {
      expect(await landfall("plan", "production")).toMatch(/USD/);
      const commissioned = await report<CommissionReport>("commission", "production");
      expect(commissioned.changed).toBe(true);
      address = commissioned.address;
      expect((await report<CommissionReport>("commission", "production")).changed).toBe(false);
    });

    it("serves its first release", async () => {
      expect(await report<DeployReport>("deploy", "production")).toMatchObject({ changed: true, imageMade: true });
      if (hasMachines) expect((await fetch(address)).status).toBe(200);
      const { services } = await report<Status>("status", "production");
      expect(services.find(({ name: service }) => service === "web")).toMatchObject({ healthy: 2, wanted: 2 });
    });

    it("rolls over under load and loses nothing", async () => {
      change(app, "parts/second.js", "export const second = 2;\n");
      let deployed: DeployReport | undefined;
      const lost = await underLoad(async () => {
        deployed = await report<DeployReport>("deploy", "production");
      });
      expect(lost).toBe(0);
      // Its routes are those of the one before: who serves stands in the metadata of a rule, whose change alone CloudFormation has to take for one.
      expect((await report<Status>("status", "production")).release).toBe(deployed?.release);
    });

    it.skipIf(!hasMachines)("keeps a broken release from its users, and says why", async () => {
      const working = readFileSync(join(app, "web.js"), "utf8");
      change(app, "web.js", "throw new Error('this release is broken');\n");
      const lost = await underLoad(async () => {
        const outcome = await run("deploy", "production");
        expect(outcome.code).toBe(1);
        expect(outcome.stderr).toContain("this release is broken");
      });
      expect(lost).toBe(0);
      writeFileSync(join(app, "web.js"), working);
      change(app, "web.js", working);
    });

    it("switches to a fleet beside the old one, and back", async () => {
      configure('{ strategy: "blueGreen", soak: "1m" }');
      change(app, "parts/third.js", "export const third = 3;\n");
      await landfall("commission", "production");
      const lost = await underLoad(async () => {
        const deployed = await report<DeployReport>("deploy", "production");
        expect(await report<DeployReport>("rollback", "production")).toMatchObject({ changed: true, previous: deployed.release });
      });
      expect(lost).toBe(0);
    });

    it("is scaled, looked into, and asked", async () => {
      expect((await report<Status>("scale", "production", "web=3")).services.find(({ name: service }) => service === "web")?.wanted).toBe(3);
      if (!hasMachines) return;
      expect(await landfall("exec", "production", "web", "--", "printenv", "LANDFALL_SERVICE")).toContain("web");
      // Run Command and its agent carry neither: input, output and status go by the bucket.
      const input = "first \u00e9\nlast";
      const command = ["exec", "production", "web", "--", "sh", "-c", "cat; echo beside >&2; exit 3"];
      const outcome = await (sandbox as NonNullable<typeof sandbox>).runWithInput(input, app, ...command);
      expect(outcome).toMatchObject({ code: 3, stdout: input, stderr: expect.stringContaining("beside") });
      expect((await report<LogLine[]>("logs", "production", "--since", "1h", "--tail", "5")).length).toBe(5);
    });

    it("leaves nothing behind", async () => {
      const { kept } = await report<DecommissionReport>("decommission", "production", "--yes");
      expect(kept.filter(({ what }) => !/encryption key/i.test(what))).toEqual([]);
      const { commissioned } = await report<Status>("status", "production");
      expect(commissioned).toBe(false);
    });
  },
);
