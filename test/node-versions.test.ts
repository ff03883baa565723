// The versions of Node that are promised, of which this run itself has only one: the tests that start no servers, and the main job.
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeSandbox } from "./end-to-end/sandbox.ts";
import { requires } from "./skips.ts";

const root = join(import.meta.dirname, "..");
/** The first that is promised, and the newest of the others that are kept up. */
const VERSIONS = ["20.19.0", "24", "26"];
/** About a third of all tests, and none that takes long. */
const QUICK = ["text", "config", "system", "rollout", "routing", "release", "state", "plan", "cli"];
const SLOW = "test/config/generated.test.ts";

/** From npm, kept beside the other installed packages; undefined where there is none for this machine. */
function installNode(version: string): string | undefined {
  const folder = join(root, "node_modules", ".cache", "landfall", `node-${version}`);
  const name = `node-${process.platform}-${process.arch}`;
  const program = join(folder, "node_modules", name, "bin", "node");
  if (!existsSync(program)) spawnSync("npm", ["install", "--prefix", folder, "--no-audit", "--no-fund", "--no-save", `${name}@${version}`]);
  return existsSync(program) ? program : undefined;
}

interface Outcome {
  numPassedTests: number;
  testResults: { assertionResults: { fullName: string; status: string }[] }[];
}

/** Never in the way of the worker that waits: minutes may pass. */
const run = (program: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Ended> =>
  new Promise((resolve) => {
    const child = execFile(program, args, { ...options, encoding: "utf8", maxBuffer: 2 ** 28 }, (_, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    );
  });

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

async function expectSuccess(ending: Promise<Ended>): Promise<string> {
  const { status, stdout, stderr } = await ending;
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

describe.each(VERSIONS)("Node %s", (version) => {
  const node = installNode(version) ?? "";
  requires(`a package of Node ${version} for this machine`, node !== "")("", () => {
    const sandbox = makeSandbox();
    afterAll(() => sandbox.dispose());

    it("is that version", async () => {
      expect(await expectSuccess(run(node, ["--version"]))).toMatch(new RegExp(`^v${version}(\\.|\\n)`));
    });

    it("passes the quick tests", async () => {
      const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
      const folders = QUICK.map((name) => join("test", name));
      const options = ["--maxWorkers=2", "--reporter=json", "--exclude", SLOW];
      const { status, stdout, stderr } = await run(node, [vitest, "run", ...options, ...folders], { cwd: root });
      const { numPassedTests, testResults } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as Outcome;
      const failed = testResults.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status === "failed");
      expect(
        failed.map(({ fullName }) => fullName),
        stderr,
      ).toEqual([]);
      expect(status, stderr).toBe(0);
      expect(numPassedTests).toBeGreaterThan(500);
    }, 600_000);

    it("deploys the guestbook", async () => {
      const app = sandbox.copyApp("examples/guestbook");
      const env = { ...process.env, LANDFALL_HOME: sandbox.home };
      const landfall = (...args: string[]) => expectSuccess(run(node, [join(root, "bin/landfall.js"), ...args], { cwd: app, env }));
      await landfall("launch", ".", "3");
      const { address, services } = JSON.parse(await landfall("status", "local", "--json"));
      expect(services.find(({ name }: { name: string }) => name === "web").instances).toHaveLength(3);
      expect((await fetch(address)).status).toBe(200);
      await landfall("decommission", "local", "--yes");
    });
  });
});
