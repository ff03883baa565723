import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { expect, it } from "vitest";
import { builtMain } from "../build.ts";
import { requires } from "../skips.ts";

requires("/dev/full", existsSync("/dev/full"))("output to a full disk", () => {
  it.each([
    ["ends a process", "", 1],
    ["does not end one that outlives it", "outliveFullDisk();", 7],
  ])("%s", async (_, call, code) => {
    const program = `
      import { outliveFullDisk } from ${JSON.stringify(await builtMain("system/processes.js"))};
      ${call}
      let lines = 0;
      setInterval(() => (console.log("out"), console.error("err"), ++lines === 50 && process.exit(7)), 1);`;
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", full, full] });
    closeSync(full);
    expect(await once(child, "exit")).toEqual([code, null]);
  });
});
