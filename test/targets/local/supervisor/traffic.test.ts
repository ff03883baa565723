import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { makeEnvironment, program, startBalancer, type TestEnvironment, until } from "./environment.ts";

let environment: TestEnvironment;
afterEach(() => environment.remove());

it("attaches nothing when no balancer could confirm it", async () => {
  environment = await makeEnvironment();
  const supervisor = await environment.supervisor();
  await supervisor.start(program("web.1", "setInterval(() => {}, 1000)", { port: "free" }));
  await expect(supervisor.attach({ id: "web.1" })).rejects.toMatchObject({
    code: "BALANCER_UNREACHABLE",
    exitCode: 1,
    parts: {
      what: `the balancer of "${environment.paths.environment}" does not answer`,
      why: "no balancer has been started",
      standing: "The instances run on. The change is kept and takes effect when the balancer answers.",
    },
  });
  expect(await environment.record("web.1")).toMatchObject({ state: "running", traffic: "none" });
});

it("gives no requests to a stranger who was faster than a restarted instance", async () => {
  environment = await makeEnvironment();
  const balancer = await startBalancer(environment);
  const supervisor = await environment.supervisor();
  // The second time it is slow to listen.
  const marker = JSON.stringify(join(environment.paths.environment, "second"));
  const code = `const fs = require("fs"); if (fs.existsSync(${marker})) setInterval(() => {}, 1000);
    else { fs.writeFileSync(${marker}, ""); require("http").createServer((q, a) => a.end()).listen(process.env.PORT, "127.0.0.1"); }`;
  await supervisor.start(program("web.1", code, { port: "free" }));
  await supervisor.attach({ id: "web.1" });
  const { pid, port } = await environment.record("web.1");
  await until(() =>
    fetch(`http://127.0.0.1:${port}`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  process.kill(pid as number, "SIGKILL");
  await environment.event(({ type, id }) => type === "restarted" && id === "web.1");
  let checks = 0;
  const stranger = createServer((_, answer) => {
    checks += 1;
    answer.end();
  }).listen(port, "127.0.0.1");
  await once(stranger, "listening");
  const resumed = () => environment.events().some(({ type }) => type === "resumed");
  await until(() => checks >= 5 || resumed());
  expect(resumed()).toBe(false);
  expect(balancer.upstreams()).toEqual([]);
  stranger.closeAllConnections();
  stranger.close();
  balancer.close();
});
