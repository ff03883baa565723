import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { PreparedResource } from "../../../../src/targets/local/resources/index.ts";
import { requires } from "../../../skips.ts";
import { makeEnvironment, type TestEnvironment } from "./environment.ts";

const resources = { "page-cache": { type: "cache", memory: "8MB" } } as const;
const hasServer = () => ["valkey-server", "redis-server"].some((program) => spawnSync(program, ["--version"]).status === 0);

/** On a throw-away machine the program may be put there; on a person's own, that is not a test's business. */
function installServer(): boolean {
  if (!hasServer() && process.getuid?.() === 0)
    spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "redis-server"], { timeout: 120_000, stdio: "ignore" });
  return hasServer();
}

/** Sends commands and resolves with everything that was answered. */
async function say(url: string, ...commands: string[]): Promise<string> {
  const { hostname, port, password } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("data", (chunk) => (answer += chunk));
  socket.write([...(password ? [`AUTH ${password}`] : []), ...commands, "QUIT", ""].join("\r\n"));
  await once(socket, "close");
  return answer;
}

requires("valkey-server or redis-server", installServer())("cache", () => {
  let environment: TestEnvironment;
  let url: string;
  let cache: PreparedResource;

  beforeAll(async () => {
    environment = makeEnvironment();
    [cache] = (await environment.bringUp(resources)).resources as [PreparedResource];
    url = environment.variable(cache, "PAGE_CACHE_URL");
  });
  afterAll(() => environment.remove());

  it("holds values, for who has the password, up to its memory", async () => {
    expect(await say(url, "SET greeting hello", "GET greeting")).toContain("$5\r\nhello\r\n");
    expect(await say(url, "CONFIG GET maxmemory")).toContain("8000000");
    expect(await say(url, "CONFIG GET maxmemory-policy")).toContain("allkeys-lru");
    expect(await say(Object.assign(new URL(url), { password: "" }).href, "GET greeting")).toContain("NOAUTH");
  });

  it("keeps values and its URL over a restart", async () => {
    await say(url, "SET kept yes");
    await environment.stop("resource.page-cache");
    expect((await environment.bringUp(resources)).created).toEqual([]);
    expect(environment.variable(cache, "PAGE_CACHE_URL")).toBe(url);
    expect(await say(url, "GET kept")).toContain("yes");
  });

  it("holds its password in no file and no argument", () => {
    const file = join(environment.paths.data, "page-cache", "cache.conf");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const text of [readFileSync(file, "utf8"), JSON.stringify(cache), environment.output()])
      expect(text.includes(new URL(url).password)).toBe(false);
  });
});

describe("a cache given by URL", () => {
  let environment: TestEnvironment;
  afterEach(() => environment.remove());

  it("must answer, and let its user in", async () => {
    environment = makeEnvironment();
    const ANSWERS = [
      ["$4\r\nAUTH\r\n$3\r\nann\r\n$5\r\np ss/\r\n", "+OK\r\n+PONG\r\n"],
      ["$4\r\nAUTH", "-WRONGPASS invalid username-password pair\r\n"],
      ["$4\r\nPING", "-NOAUTH Authentication required.\r\n"],
    ] as const;
    const stranger = createServer((socket) =>
      socket.on("data", (words) => socket.write(ANSWERS.find(([asked]) => `${words}`.includes(asked))?.[1] ?? "-ERR\r\n")),
    ).listen(0, "127.0.0.1");
    await once(stranger, "listening");
    const { port } = stranger.address() as { port: number };
    const give = async (user: string) =>
      (await environment.prepare({ remote: { type: "cache", url: `redis://${user}127.0.0.1:${port}` } }))[0] as PreparedResource;
    for (const user of ["", ":wrong@", "ann:p@"])
      await expect((await give(user)).ready()).rejects.toMatchObject({ message: 'the cache "remote" did not accept the user and password' });
    const given = await give("ann:p%20ss%2F@");
    await given.ready();
    stranger.close();
    await once(stranger, "close");
    await expect(given.ready()).rejects.toMatchObject({ code: "RESOURCE_FAILED", message: 'the cache "remote" refused the connection' });
  });
});

describe("a port that was kept", () => {
  it("is not shared with a stranger", async () => {
    const environment = makeEnvironment();
    const stranger = createServer((socket) => socket.destroy());
    try {
      const [jobs] = (await environment.prepare({ jobs: { type: "queue" } })) as [PreparedResource];
      const port = jobs.spec?.port as number;
      stranger.listen(port, "127.0.0.1");
      await once(stranger, "listening");
      await expect(environment.prepare({ jobs: { type: "queue" } })).rejects.toMatchObject({
        code: "PORT_TAKEN",
        message: `port ${port} of the resource "objects" is in use by another process`,
      });
    } finally {
      stranger.close();
      await environment.remove();
    }
  });
});
