// A signal while work is under way, in a real process: the work is told, what stands is said, and the status is 130.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { requires } from "../skips.ts";
import { CONFIG, type Folder, makeFolder } from "./command-line.ts";

const dist = fileURLToPath(new URL("../../dist/cli/", import.meta.url));
let app: Folder;

beforeAll(() => {
  app = makeFolder();
  app.write("landfall.config.ts", CONFIG);
});
afterAll(() => app.remove());

/** Work that says when it has begun, and ends as `onAbort` says. */
const program = (onAbort: string) => `
  import { handleSignals } from "${dist}interruption.js";
  import { perform } from "${dist}operate.js";
  import { reportFailure } from "${dist}failure.js";
  handleSignals();
  const open = setInterval(() => {}, 1000);
  try {
    await perform({ name: "local" }, {}, ({ signal, emit }) => new Promise((resolve, reject) => {
      emit({ type: "started", step: "a", text: "Working" });
      signal.addEventListener("abort", () => { ${onAbort} });
      process.stdout.write("begun");
    }));
  } catch (error) {
    process.exitCode = await reportFailure(error, []);
  }
  clearInterval(open);`;

const env = () => ({ PATH: process.env.PATH, LANDFALL_HOME: `${app.path}/.home`, NO_COLOR: "1" });

async function run(onAbort: string, heard: (child: ReturnType<typeof spawn>) => void, ...signals: NodeJS.Signals[]) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program(onAbort)], { cwd: app.path, env: env() });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    const first = !stderr.includes("safe point");
    stderr += chunk;
    if (first && stderr.includes("safe point")) heard(child);
  });
  child.stdout.once("data", () => {
    for (const signal of signals) child.kill(signal);
  });
  const [code] = await once(child, "close");
  return { code, stderr };
}

it.each(["SIGINT", "SIGTERM"] as const)("%s ends the work at its next safe point", async (signal) => {
  const { code, stderr } = await run("reject(signal.reason)", () => {}, signal);
  expect(code, stderr).toBe(130);
  expect(stderr.replace(/ {3,}(?=INTERRUPTED)/, "  ").replace(/\d+(\.\d)?m?s\b/, "0s")).toBe(`
${signal}: stopping at the next safe point. Once more stops at once.
  ✗ Working  0s
error: the operation on environment "local" was interrupted by ${signal}  INTERRUPTED

  "local" is not commissioned; nothing serves.
  Next: landfall commission local
`);
});

it("a second signal does not wait", async () => {
  const { code } = await run("", (child) => child.kill("SIGINT"), "SIGINT");
  expect(code).toBe(130);
});

/** Says in a file what became of it, since nobody may be there to read. */
const noting = `
  import { writeFileSync } from "node:fs";
  import { handleSignals, interruptible, mustGoOn } from "${dist}interruption.js";
  import { outliveReaders, printErr } from "${dist}print/terminal.js";
  outliveReaders(mustGoOn);
  handleSignals();
  const open = setInterval(() => printErr("still here"), 50);
  await interruptible((signal) => new Promise((resolve) => {
    writeFileSync("begun", String(process.pid));
    signal.addEventListener("abort", () => {
      process.kill(process.pid, "SIGHUP");
      setTimeout(() => resolve(writeFileSync("ended", signal.reason.message)), 300);
    });
  }));
  clearInterval(open);`;

async function waitFor(name: string): Promise<string> {
  await expect.poll(() => existsSync(join(app.path, name)) && readFileSync(join(app.path, name), "utf8"), { timeout: 30_000 }).toBeTruthy();
  return readFileSync(join(app.path, name), "utf8");
}

const hasScript = spawnSync("script", ["-qec", "true", "/dev/null"], { stdio: "ignore" }).status === 0;

requires("script of util-linux", hasScript)("a terminal that goes away", () => {
  it("ends the work at its next safe point, however often it says so", async () => {
    app.write("noting.mjs", noting);
    const terminal = spawn("script", ["-qec", `'${process.execPath}' noting.mjs`, "/dev/null"], {
      cwd: app.path,
      env: env(),
      stdio: ["pipe", "ignore", "ignore"],
    });
    await waitFor("begun");
    terminal.kill("SIGKILL");
    expect(await waitFor("ended")).toBe("interrupted by SIGHUP");
  });
});

it("SIGHUP without a terminal, as under nohup, ends nothing", async () => {
  const { code, stderr } = await run("reject(signal.reason)", () => {}, "SIGHUP", "SIGTERM");
  expect([code, stderr.match(/SIG[A-Z]+: stopping/g)]).toEqual([130, ["SIGTERM: stopping"]]);
});

const PRINTING = `
  import { handleSignals, mustGoOn } from "${dist}interruption.js";
  import { outliveReaders, printErr, printOut } from "${dist}print/terminal.js";
  import { perform } from "${dist}operate.js";
  import { setTimeout as sleep } from "node:timers/promises";
  import { writeFileSync } from "node:fs";
  outliveReaders(mustGoOn);
  handleSignals();
  const work = async () => {
    for (let line = 0; line < 50; line++) {
      printOut("out " + line);
      printErr("err " + line);
      await sleep(5);
    }
    writeFileSync("done", "");
  };
  if (process.argv[1] === "works") await perform({ name: "local" }, {}, work);
  else await work();
  process.exitCode = 4;`;

it.each([
  ["goes on to its end, and to its status", "works", 4],
  ["ends quietly when it only reads", "reads", 0],
])("a command whose reader goes away %s", async (_, kind, expected) => {
  rmSync(join(app.path, "done"), { force: true });
  const child = spawn(process.execPath, ["--input-type=module", "-e", PRINTING, kind], { cwd: app.path, env: env() });
  await once(child.stdout, "data");
  child.stdout.destroy();
  child.stderr.destroy();
  const [code] = await once(child, "exit");
  expect([code, existsSync(join(app.path, "done"))]).toEqual([expected, kind === "works"]);
});
