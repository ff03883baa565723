// What a release was given of its secrets stays what it has, whatever is set since; and secrets from before the first commission on.
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeployReport, SecretsReport, Status } from "../../src/index.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello", "keeper");

const SERVER = `import { createServer } from "node:http";
createServer((request, response) => {
  if (request.url === "/die") process.exit(1);
  if (request.url === "/health") return response.end("well");
  response.end([process.env.API_KEY, process.env.STORE_URL].join(" "));
}).listen(Number(process.env.PORT), "127.0.0.1");
`;
const CONFIGURATION = `import { defineApp } from "landfall";
export default defineApp({
  name: "keeper",
  resources: { store: { type: "cache", url: { secret: "STORE" } } },
  routes: [{ path: "/private/*", basicAuth: { user: "ann", password: "DOOR" } }],
  services: {
    web: { command: "exec node server.js", port: 8080, secrets: ["API_KEY"], health: { path: "/health", interval: "100ms", steadyFor: "200ms" }, stop: { timeout: "3s" } },
  },
});
`;

/** A cache that lets in whoever has this password. */
const PASSWORD = "of-the-cache";
const cache = createServer((socket) =>
  socket
    .on("data", (words) => socket.write(`${words}`.includes(PASSWORD) ? "+OK\r\n+PONG\r\n" : "-WRONGPASS invalid username-password pair\r\n"))
    .on("error", () => {}),
);

const run = (...args: string[]): Promise<Outcome> => sandbox.run(app, ...args);
async function succeed(...args: string[]): Promise<Outcome> {
  const outcome = await run(...args);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
}
const report = async <T>(...args: string[]) => JSON.parse((await succeed(...args, "--json")).stdout) as T;
const set = async (name: string, value: string, ...options: string[]) => {
  const outcome = await sandbox.runWithInput(value, app, "secrets", "set", "local", name, "--json", ...options);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return JSON.parse(outcome.stdout) as SecretsReport;
};
const importing = (text: string, ...options: string[]) => sandbox.runWithInput(text, app, "secrets", "import", "local", "-", ...options);

let address = "";
let url = "";
const ask = async (path = "/", password?: string) => {
  const headers = new Headers(password === undefined ? [] : [["authorization", `Basic ${Buffer.from(`ann:${password}`).toString("base64")}`]]);
  const response = await fetch(`${address}${path}`, { headers });
  return response.status === 200 ? await response.text() : response.status;
};
/** Ends the instance, and waits until another answers in its place. */
async function restart(): Promise<unknown> {
  const restarts = async () => (await report<Status>("status", "local")).services[0]?.instances[0]?.restarts ?? 0;
  const before = await restarts();
  await ask("/die").catch(() => {});
  while ((await restarts()) === before);
  for (;;) {
    const answer = await ask().catch(() => 503);
    if (answer !== 503 && answer !== 502) return answer;
  }
}

beforeAll(async () => {
  await new Promise<void>((resolve) => cache.listen(0, "127.0.0.1", resolve));
  url = `redis://:${PASSWORD}@127.0.0.1:${(cache.address() as { port: number }).port}`;
  change(app, "server.js", SERVER);
  change(app, "landfall.config.ts", CONFIGURATION);
});
afterAll(async () => {
  await sandbox.dispose();
  cache.close();
});

describe("before there is an environment", () => {
  it("a commission says which secret it needs, and leaves nothing", async () => {
    const { code, stderr } = await run("commission", "local");
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/secret "STORE" of resource "store" is not set .*SECRET_MISSING/) });
    expect(stderr).toContain("landfall secrets set local STORE");
    expect(await report<Status>("status", "local")).toMatchObject({ commissioned: false, supervisor: "stopped" });
  });

  it("it can be set; a wrong one is refused before anything is started", async () => {
    await set("STORE", url.replace(PASSWORD, "of-another"));
    const { code, stderr } = await run("commission", "local");
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/the cache "store" did not accept the user and password .*RESOURCE_FAILED/),
    });
    expect(await report<Status>("status", "local")).toMatchObject({ commissioned: false, supervisor: "stopped" });
    await set("STORE", url);
    await succeed("commission", "local");
  });

  it("a deploy asks for every secret at once, those of routes too", async () => {
    const { code, stderr } = await run("deploy", "local");
    expect(code).toBe(2);
    for (const words of ['secret "API_KEY" of service "web"', 'secret "DOOR" of route 1']) expect(stderr).toContain(words);
  });
});

describe("of a file", () => {
  it("all are set in one call", async () => {
    const file = join(sandbox.folder, ".env");
    writeFileSync(file, '# ours\nAPI_KEY=first\nexport DOOR="open sesame"\n\nLINES="a\nb"\n');
    const set = await report<SecretsReport>("secrets", "import", "local", file);
    expect(set).toEqual({ environment: "local", names: ["API_KEY", "DOOR", "LINES"], reaches: "with the next deploy", revokedIn: [] });
  });

  it.each([
    ["a line that is none", "A=1\nB: hunter-two\nC=3\n", "line 2 of stdin is not NAME=value"],
    ["nothing", "# empty\n", "stdin has no line NAME=value"],
    ["names that no variable has", "A-B=hunter-two\n1C=x\n", '"A-B" is no name for a secret'],
    ["what a resource gives", "STORE_URL=hunter-two\n", 'a secret "STORE_URL" would reach no service'],
  ])("with %s none is set", async (_, text, words) => {
    const before = (await succeed("secrets", "list", "local")).stdout;
    const { code, stderr } = await importing(text);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(words) });
    expect(stderr).not.toContain("hunter-two");
    expect((await succeed("secrets", "list", "local")).stdout).toBe(before);
  });
});

describe("a release", () => {
  let first: DeployReport;
  let second: DeployReport;

  it("keeps the values it was deployed with when a process is started again", async () => {
    first = await report<DeployReport>("deploy", "local");
    address = first.address;
    expect([await ask(), await ask("/private/x"), await ask("/private/x", "open sesame")]).toEqual([`first ${url}`, 401, `first ${url}`]);
    await importing("API_KEY=second\nDOOR=closed\n");
    expect(await restart()).toBe(`first ${url}`);
    expect(await ask("/private/x", "closed")).toBe(401);
  });

  it("is not robbed of a secret that it has", async () => {
    const { code, stderr } = await run("secrets", "remove", "local", "API_KEY");
    expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining("SECRET_IN_USE") });
  });

  it("gets the new ones with the next deploy, and a rollback names those that go back", async () => {
    second = await report<DeployReport>("deploy", "local");
    expect([second.changed, await ask(), await ask("/private/x", "closed")]).toEqual([true, `second ${url}`, `second ${url}`]);
    const back = await run("rollback", "local");
    expect(back).toMatchObject({ code: 0, stdout: expect.stringContaining("secrets with their values of then: API_KEY, DOOR\n") });
    expect(back.stderr).toContain(`with release ${first.release} go back to their values of then: API_KEY, DOOR`);
    expect([await ask(), await ask("/private/x", "open sesame")]).toEqual([`first ${url}`, `first ${url}`]);
    expect((await report<DeployReport>("rollback", "local", "--to", second.release)).secretsBack).toEqual(["API_KEY", "DOOR"]);
  });

  it("has a revoked value in no way back", async () => {
    const { revokedIn } = await set("API_KEY", "third", "--revoke");
    expect(revokedIn.sort()).toEqual([first.release, second.release].sort());
    expect(await restart()).toBe(`third ${url}`);
    await succeed("rollback", "local");
    expect(await ask()).toBe(`third ${url}`);
  });
});
