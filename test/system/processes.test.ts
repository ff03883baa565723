import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { tryListening } from "../../src/system/network.ts";
import { observeStart } from "../../src/system/processes.ts";
import { builtMain } from "../build.ts";
import { requires } from "../skips.ts";

requires("/dev/full", existsSync("/dev/full"))("output to a full disk", () => {
  it.each([
    ["ends a process", "", 1],
    ["does not end one that outlives it", "outliveFullDisk();", 7],
  ])("%s", async (_, call, code) => {
    const program = `
      import { outliveFullDisk } from ${JSON.stringify(builtMain("system/processes.js"))};
      ${call}
      let lines = 0;
      setInterval(() => (console.log("out"), console.error("err"), ++lines === 50 && process.exit(7)), 1);`;
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", full, full] });
    closeSync(full);
    expect(await once(child, "exit")).toEqual([code, null]);
  });
});

requires("the first thread of a process", process.platform === "linux")("that has ended before the others", () => {
  it("does not make it an ended process: its sockets are open", async () => {
    const program = `
import ctypes, socket, threading, time
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    time.sleep(0.3)
    print(listener.getsockname()[1], flush=True)
    time.sleep(60)
threading.Thread(target=serve).start()
ctypes.CDLL(None).pthread_exit(None)`;
    const child = spawn("python3", ["-c", program], { stdio: ["ignore", "pipe", "inherit"] });
    const pid = child.pid as number;
    const [port] = await once(child.stdout, "data");
    expect(readFileSync(`/proc/${pid}/stat`, "latin1")).toContain(") Z ");
    await expect(tryListening(Number(port))).resolves.toMatchObject({ code: "EADDRINUSE" });
    expect(observeStart(pid)).toBeDefined();
    child.kill("SIGKILL");
    while (observeStart(pid) !== undefined) await sleep(1);
    await expect(tryListening(Number(port))).resolves.toBeUndefined();
  });
});
