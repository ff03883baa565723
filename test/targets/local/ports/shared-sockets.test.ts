import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { findFreePort } from "../../../../src/system/network.ts";
import { findNearestHolder } from "../../../../src/targets/local/ports/listeners.ts";
import { portTaken } from "../../../../src/targets/local/ports/port-taken.ts";
import { SharedSockets } from "../../../../src/targets/local/ports/shared-sockets.ts";

const sockets = new SharedSockets();
const ports: number[] = [];
afterEach(() => sockets.release(ports.splice(0)));

async function freePort(): Promise<number> {
  const port = await findFreePort(new Set(ports));
  ports.push(port);
  return port;
}

/** How an attempt to connect ends: the socket, or the code of its error. */
const reach = async (port: number) => {
  const socket = connect(port, "127.0.0.1");
  return once(socket, "connect").then(
    () => socket,
    (error) => error.code as string,
  );
};

test("who connects to a held port waits, and is accepted by nobody", async () => {
  const port = await freePort();
  const descriptors = await sockets.hold([port]);
  expect([...descriptors.keys()]).toEqual([port]);
  if (process.platform === "linux") expect(findNearestHolder(port)).toMatchObject({ pid: process.pid });
  const waiting = await reach(port);
  if (typeof waiting === "string") throw new Error(waiting);
  let ended = false;
  waiting.on("close", () => (ended = true)).on("error", () => {});
  waiting.write("GET / HTTP/1.1\r\n\r\n");
  await sleep(200);
  expect(ended).toBe(false);
  await sockets.release([port]);
  expect(await reach(port)).toBe("ECONNREFUSED");
});

test.each(["127.0.0.1", "0.0.0.0", "::"])("a port that somebody has at %s is refused by name, and none beside it is kept", async (host) => {
  const stranger = createServer().listen(0, host);
  await once(stranger, "listening");
  const taken = (stranger.address() as AddressInfo).port;
  const free = await freePort();
  await expect(sockets.hold([free, taken])).rejects.toMatchObject({
    code: "PORT_TAKEN",
    message: `port ${taken} of the balancer is in use by another process`,
    parts: process.platform === "linux" ? { why: `"${findNearestHolder(taken)?.command}", pid ${process.pid}, listens there.` } : {},
  });
  expect(await reach(free)).toBe("ECONNREFUSED");
  stranger.close();
  await once(stranger, "close");
  expect([...(await sockets.hold([free, taken])).keys()]).toEqual([free, taken]);
  await sockets.release([taken]);
});

test("two that hold a port at once have the same socket", async () => {
  const port = await freePort();
  const [one, other] = await Promise.all([sockets.hold([port]), sockets.hold([port])]);
  expect(one.get(port)).toBe(other.get(port));
});

test("a port that this user may not listen on has nobody to be stopped", () => {
  const refusal = { code: "EACCES", message: "listen EACCES: permission denied 127.0.0.1:80" };
  expect(portTaken({ port: 80, owner: "the balancer" }, refusal, { standing: "Nothing was changed.", next: "stop it" }).parts).toEqual({
    code: "PORT_TAKEN",
    where: "127.0.0.1:80",
    what: "port 80 of the balancer cannot be listened on",
    why: refusal.message,
    standing: "Nothing was changed.",
    next: "set another port under environments",
  });
});
