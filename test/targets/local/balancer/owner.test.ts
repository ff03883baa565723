import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { afterAll, expect, it } from "vitest";
import { Upstreams } from "../../../../src/targets/local/balancer/upstreams.ts";

const PROGRAM = `const { createServer } = require("node:http");
  let server; let port = 0;
  const listen = () => { server = createServer((_, answer) => answer.end()).listen(port, "127.0.0.1", () => { port = server.address().port; console.log(port); }); };
  listen();
  process.stdin.on("data", (words) => String(words).includes("close") ? server.close(() => console.log("closed")) : listen());`;
const upstreams = new Upstreams(Math.random);
let child: ChildProcess | undefined;
afterAll(() => {
  upstreams.destroy();
  child?.kill("SIGKILL");
});

it.runIf(process.platform === "linux")(
  "an instance that lets go of its port gets no requests while another program has it",
  { timeout: 30_000 },
  async () => {
    const started = spawn(process.execPath, ["-e", PROGRAM], { detached: true, stdio: ["pipe", "pipe", "inherit"] });
    child = started;
    const said = async () => String((await once(started.stdout, "data"))[0]).trim();
    const port = Number(await said());
    const health = { path: "/", from: 200, to: 299, intervalMs: 20, timeoutMs: 1_000, unhealthyAfter: 1 };
    upstreams.replace([{ id: "web.1", service: "web", port, group: started.pid, state: "attached", health }]);
    const healthy = () => upstreams.all()[0]?.healthy;
    started.stdin.write("close");
    expect(await said()).toBe("closed");
    let asked = 0;
    const stranger = createServer((_, answer) => {
      asked += 1;
      answer.end();
    }).listen(port, "127.0.0.1");
    await once(stranger, "listening");
    await expect.poll(healthy).toBe(false);
    const before = asked;
    await expect.poll(() => asked, { timeout: 10_000 }).toBeGreaterThan(before + 3);
    expect(healthy()).toBe(false);
    stranger.closeAllConnections();
    await new Promise((resolve) => stranger.close(resolve));
    started.stdin.write("listen");
    await said();
    await expect.poll(healthy).toBe(true);
  },
);
