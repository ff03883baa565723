import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { findForeignHolder, findHolder, GroupWatch } from "../../../../src/targets/local/ports/listeners.ts";

const started: ChildProcess[] = [];
afterEach(() => {
  for (const { pid } of started.splice(0)) if (pid) process.kill(-pid, "SIGKILL");
});

/** A group of two: a shell, and a child of it that listens on a port of its own choice at 127.0.0.1 and at ::1. */
async function startGroup(env: Record<string, string> = {}): Promise<{ pid: number; port: number }> {
  const program = `const server = require("node:net").createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    require("node:net").createServer().listen(port, "::1", () => console.log(port));
  });`;
  const child = spawn("/bin/sh", ["-c", '"$0" -e "$1"; true', process.execPath, program], {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  const [port] = await once(child.stdout as NodeJS.ReadableStream, "data");
  return { pid: child.pid as number, port: Number(port) };
}

describe.runIf(process.platform === "linux")("a process group", () => {
  it("is seen with where it listens and how many it is", async () => {
    const { pid, port } = await startGroup();
    const look = new GroupWatch(pid).look();
    expect(look).toMatchObject({ processes: 2 });
    expect(look?.busyMs).toBeGreaterThan(0);
    expect(look?.listens).toContainEqual({ host: "127.0.0.1", port });
    expect(look?.listens).toContainEqual({ host: "::1", port });
  });

  it("answers on its own port, and is foreign to others", async () => {
    const [one, other] = await Promise.all([startGroup(), startGroup()]);
    expect(findForeignHolder(one.port, one.pid, "web.1.a")).toBeUndefined();
    expect(findForeignHolder(one.port, other.pid, "web.1.a")).toMatchObject({ group: one.pid });
    expect(findHolder(one.port)).toMatchObject({ group: one.pid });
  });

  it("is an instance's by its environment, though it left the group", async () => {
    const one = await startGroup({ LANDFALL_INSTANCE: "web.1.a" });
    expect(findForeignHolder(one.port, process.pid, "web.1.a")).toBeUndefined();
    expect(findForeignHolder(one.port, process.pid, "web.1.b")).toMatchObject({ group: one.pid });
  });

  it("is found among more sockets than the kernel lists at once, and among connections", async () => {
    const servers = Array.from({ length: 60 }, () => createServer().listen(0, "127.0.0.1"));
    await Promise.all(servers.map((server) => once(server, "listening")));
    const ports = servers.map((server) => (server.address() as AddressInfo).port);
    const clients = ports.map((port) => connect(port, "127.0.0.1"));
    await Promise.all(clients.map((client) => once(client, "connect")));
    expect(ports.map((port) => findHolder(port)?.pid)).toEqual(ports.map(() => process.pid));
    expect(findHolder((clients[0] as Socket).localPort as number)).toBeUndefined();
    for (const client of clients) client.destroy();
    for (const server of servers) server.close();
  });
});
