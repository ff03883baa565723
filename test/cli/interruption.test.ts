// A signal while work is under way, in a real process: the work is told, what stands is said, and the status is 130.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
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
  import { heedSignals } from "${dist}interruption.js";
  import { perform } from "${dist}operate.js";
  import { reportFailure } from "${dist}failure.js";
  heedSignals();
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

async function run(onAbort: string, heard: (child: ReturnType<typeof spawn>) => void, signal: NodeJS.Signals) {
  const env = { PATH: process.env.PATH, LANDFALL_HOME: `${app.path}/.home`, NO_COLOR: "1" };
  const child = spawn(process.execPath, ["--input-type=module", "-e", program(onAbort)], { cwd: app.path, env });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    const first = !stderr.includes("safe point");
    stderr += chunk;
    if (first && stderr.includes("safe point")) heard(child);
  });
  child.stdout.once("data", () => child.kill(signal));
  const [code] = await once(child, "close");
  return { code, stderr };
}

it.each(["SIGINT", "SIGTERM"] as const)("%s ends the work at its next safe point", async (signal) => {
  const { code, stderr } = await run("reject(signal.reason)", () => {}, signal);
  expect(code).toBe(130);
  expect(stderr.replace(/ {3,}(?=INTERRUPTED)/, "  ").replace(/\d+\.\d s/, "0.0 s")).toBe(`
${signal}: stopping at the next safe point. Once more stops at once.
  ✗ Working  0.0 s
error: the operation on environment "local" was interrupted by ${signal}  INTERRUPTED

  "local" is not commissioned; nothing serves.
  Next: landfall commission local
`);
});

it("a second signal does not wait", async () => {
  const { code } = await run("", (child) => child.kill("SIGINT"), "SIGINT");
  expect(code).toBe(130);
});
