// What is asked too early, of something that is not there, or cannot end well: each is refused or reported whole, and what serves goes on.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommissionReport, DeployReport, Status } from "../../src/reports.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { type EnvironmentRecord, findRecord } from "../../src/targets/local/record.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const paths = pathsOf(sandbox.home, "hello", "local");
const app = sandbox.copyApp("test/fixtures/apps/hello");
const config = readFileSync(join(app, "landfall.config.ts"), "utf8");

/** The error as printed after the progress, whatever the space before its code. */
const refusal = async (...args: string[]): Promise<[number, string]> => {
  const { code, stderr } = await sandbox.run(app, ...args);
  return [code, stderr.slice(Math.max(0, stderr.indexOf("error: "))).replace(/ {2,}(?=[A-Z_]+\n)/g, "  ")];
};
const landfall = async (...args: string[]): Promise<Outcome> => {
  const outcome = await sandbox.run(app, ...args);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
};
const report = async <T>(...args: string[]) => JSON.parse((await landfall(...args, "--json")).stdout) as T;

/** Processes that work in a folder, whoever started them: also what left its process group, be it of a rehearsal. */
/** Listens where it was told to, as soon as nobody else does. */
const SQUAT = `const server = require("node:net").createServer();
const listen = () => server.listen(Number(process.argv[2]), "127.0.0.1");
server.on("error", () => setTimeout(listen, 5));
listen();
`;

function pidsIn(folder: string): number[] {
  const worksIn = (pid: number) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    } catch {
      return false;
    }
  };
  return readdirSync("/proc").map(Number).filter(Number.isInteger).filter(worksIn);
}

afterAll(() => sandbox.dispose());

describe("of an environment on this machine", () => {
  it.each(["iam local", "export local"])("%s is refused: there is no account to speak of", async (line) => {
    const { code, stderr } = await sandbox.run(app, ...line.split(" "), "--json");
    expect({ code, error: JSON.parse(stderr).error }).toMatchObject({ code: 2, error: { code: "ONLY_ON_AWS", standing: "Nothing was changed." } });
  });
});

describe("before the environment stands", () => {
  it.each(["deploy local", "rollback local", "scale local web=2", "exec local web -- true", "logs local", "logs local wbe", "events local"])(
    "%s says how to make it",
    async (line) => {
      expect(await refusal(...line.split(" "))).toEqual([
        1,
        `error: environment "local" of app "hello" does not stand on this machine  ENVIRONMENT_NOT_COMMISSIONED

  Nothing was changed.
  Next: landfall commission local
`,
      ]);
    },
  );

  it("status says so, and is no failure", async () => {
    expect(await report<Status>("status", "local")).toMatchObject({ commissioned: false, services: [] });
  });
});

describe("an environment that stands", () => {
  let address = "";
  let release = "";
  const stillServes = async () => expect(await (await fetch(address)).text()).toContain(`hello from release ${release}`);

  beforeAll(async () => {
    ({ address } = await report<CommissionReport>("commission", "local"));
  });

  it("has nothing to roll back or to run in before its first release", async () => {
    expect(await refusal("rollback", "local")).toEqual([
      1,
      'error: environment "local" has no earlier release to go back to  NOTHING_TO_ROLL_BACK\n\n  Nothing was changed.\n',
    ]);
    expect(await refusal("exec", "local", "web", "--", "true")).toEqual([
      2,
      `error: no release was deployed to environment "local" yet  RELEASE_UNKNOWN

  Nothing was changed.
  Next: landfall deploy local
`,
    ]);
    ({ release } = await report<DeployReport>("deploy", "local"));
  });

  it.each([
    ["scale", "wbe=2"],
    ["exec", "wbe", "--", "true"],
    ["logs", "wbe"],
    ["deploy", "no-such-branch"],
    ["rollback", "--to", "0123abc"],
  ])("%s of %s that is not there changes nothing", async (command, ...rest) => {
    const [code, text] = await refusal(command, "local", ...rest);
    expect([code, text.split("\n")[0]]).toEqual([2, expect.stringMatching(/(SERVICE_UNKNOWN|GIT_REF_UNKNOWN|RELEASE_UNKNOWN|USAGE)$/)]);
    expect(text).toContain(rest.find((word) => /wbe|no-such|0123abc/.test(word))?.replace("=2", ""));
    expect(text).toContain("Nothing was changed.");
    await stillServes();
  });

  it("scale of a misspelt service names those there are", async () => {
    expect(await refusal("scale", "local", "wbe=2")).toEqual([
      2,
      'error: there is no service "wbe" in this app  SERVICE_UNKNOWN\n\n  it has "web", "ticker"\n  Nothing was changed.\n',
    ]);
  });

  it("stops a release phase at its time budget, and serves on", async () => {
    change(
      app,
      "landfall.config.ts",
      config.replace("  services:", '  release: { expand: "echo begun; sleep 600", timeout: "300ms" },\n  services:'),
    );
    const [code, text] = await refusal("deploy", "local");
    expect([code, text.split("\n")[0]]).toEqual([
      1,
      expect.stringMatching(/^error: the release phase of release \w+ took longer than its time budget {2}MIGRATION_TIMED_OUT$/),
    ]);
    expect(text).toContain("still running after 300ms, stopped");
    expect(text).toContain(`The rollout did not begin. Release ${release} still gets all traffic.`);
    await stillServes();
  });
});

describe("decommission", () => {
  it("names a port that is still taken, and is done the second time", async () => {
    const { port } = findRecord(paths) as EnvironmentRecord;
    // Nothing tells of it that it was started here: it has lost its variables, its group and its parent.
    change(app, "squat.cjs", SQUAT);
    change(app, "landfall.config.ts", config.replace("exec node", `env -i setsid -f ${process.execPath} squat.cjs ${port}; exec node`));
    await landfall("deploy", "local");
    try {
      const [code, text] = await refusal("decommission", "local", "--yes");
      expect([code, text.split("\n")[0]]).toEqual([1, 'error: environment "local" is not completely gone  LEFT_BEHIND']);
      expect(text).toContain(`port ${port}`);
    } finally {
      for (const pid of pidsIn(paths.releases)) process.kill(pid, "SIGKILL");
    }
    expect((await landfall("decommission", "local", "--yes")).stdout).toBe("hello local does not stand: nothing to remove\n");
  });
});
