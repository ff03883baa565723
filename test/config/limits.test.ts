// What a configuration does besides giving an app: ending the process, never ending, leaving something that runs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { evaluateText } from "../../src/config/evaluate.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { LandfallError } from "../../src/error.ts";
import { folderWith } from "./folders.ts";

const BIN = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));
const APP = 'export default { name: "a", services: { web: { command: "x", port: 1 } } };\n';
/** A type makes it more than plain. */
const TYPED = `const port: number = 1;\n`;

const failureOf = async (text: string, timeoutMs?: number): Promise<LandfallError> => {
  const folder = folderWith({ "landfall.config.ts": text });
  return evaluateText(text, `${folder}/landfall.config.ts`, timeoutMs).then(
    () => expect.fail("it passed"),
    (error) => error,
  );
};

describe("a configuration", () => {
  test.each([0, 3])("that calls process.exit(%i) is refused", async (status) => {
    const error = await failureOf(`process.exit(${status});\n${APP}`);
    expect(error).toMatchObject({ code: "CONFIG_THREW", parts: { why: `Error: it called process.exit(${status})` } });
  });

  test.each([
    ["plain", `while (true);\n${APP}`, "Error: Script execution timed out after 2000ms"],
    ["more than that", `${TYPED}while (true);\n${APP}`, "Error: it did not come to its end within 2s"],
    ["waiting for ever", `${TYPED}await new Promise((resolve) => setTimeout(resolve, 1e9));\n${APP}`, "Error: it did not come to its end within 2s"],
  ])("that never ends is refused: %s", async (_, text, why) => {
    expect(await failureOf(text, 2_000)).toMatchObject({ code: "CONFIG_THREW", parts: { why } });
  });

  test("that leaves a timer keeps nobody from going on", async () => {
    const folder = folderWith({ "landfall.config.ts": `${TYPED}setInterval(() => {}, 1000);\n${APP}` });
    expect((await loadConfig(`${folder}/landfall.config.ts`)).app.name).toBe("a");
  });

  test("gives what it exports as it is: functions, holes, what holds itself", async () => {
    const error = await failureOf(
      `${TYPED}const web: any = { command: () => 1, port: 1n, [Symbol()]: 1 };\nweb.web = web;\nexport default { name: "a", services: { web } };`,
    );
    const said = [error, ...error.more].map(({ message, parts }) => `${message} ${parts.why}`).join("\n");
    for (const words of ['"command" of service "web": a function', '"port" of service "web": 1n', 'unrecognized key "web"'])
      expect(said).toContain(words);
  });

  test.each([
    ["plain", `while (true);\n${APP}`],
    ["more than that", `${TYPED}while (true);\n${APP}`],
  ])("that never ends is ended by Ctrl-C: %s", async (_, text) => {
    const folder = folderWith({ "landfall.config.ts": text });
    const child = spawn(process.execPath, [BIN, "check"], { cwd: folder, env: { PATH: process.env.PATH, LANDFALL_HOME: `${folder}/.home` } });
    const asking = setInterval(() => child.kill("SIGINT"), 500);
    const [code, signal] = await once(child, "close");
    clearInterval(asking);
    expect([130, "SIGINT"]).toContain(code ?? signal);
  });
});
