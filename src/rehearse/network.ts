// A network for machines on this machine: a namespace with a bridge, which nothing of this machine's own network is part of. The gateway
// (gateway-main.ts) is the only way in and out.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { builtProgram } from "../system/built.ts";
import type { GatewaySettings } from "./gateway-main.ts";

const PREFIX = "10.213.0";
const GATEWAY = `${PREFIX}.1`;
const METADATA = "169.254.169.254";
export const BRIDGE = "landfall0";
const BRIDGE_ADDRESS = "02:00:0a:d5:00:01";
const HEADER_BYTES_MAX = 200;

/** A connection that a machine made: `to` is the gateway's own address or that of the metadata service. */
export interface Arrival {
  from: string;
  to: string;
  port: number;
}

export interface Network {
  /** The namespace's name, as `ip netns` has it. */
  name: string;
  gateway: string;
  /** Of the n-th machine, from 1 to 200. */
  addressOf(number: number): string;
  /** A connection to a machine. Rejects when nobody listens there. */
  dial(address: string, port: number): Promise<Socket>;
  stop(): Promise<void>;
}

export interface NetworkInput {
  name: string;
  /** For its sockets; short, because the paths of sockets are. */
  folder: string;
  /** Where machines may connect to besides ports 80 and 443 of the gateway; each address is one of `servedAddress`. */
  served: { host: string; address: string; port: number }[];
  accept(socket: Socket, arrival: Arrival): void;
}

/** Throws when the namespace is there already: `removeNetwork` takes away one that was left behind. */
export async function startNetwork({ name, folder, served, accept }: NetworkInput): Promise<Network> {
  makeNamespace(
    name,
    served.map(({ address }) => address),
  );
  const settings: GatewaySettings = {
    address: GATEWAY,
    names: Object.fromEntries(served.map(({ host, address }) => [host, address])),
    listen: [
      { address: GATEWAY, port: 80 },
      { address: GATEWAY, port: 443 },
      { address: METADATA, port: 80 },
      ...served.map(({ address, port }) => ({ address, port })),
    ],
    outwards: join(folder, "out"),
    inwards: join(folder, "in"),
  };
  const server = await listenFor(settings.outwards, accept);
  const gateway = await startGateway(name, settings).catch((error) => {
    server.close();
    removeNetwork(name);
    throw error;
  });
  return {
    name,
    gateway: GATEWAY,
    addressOf: (number) => `${PREFIX}.${10 + number}`,
    dial: (address, port) => dial(settings.inwards, `${address} ${port}`),
    async stop() {
      gateway.stdin?.end();
      if (gateway.exitCode === null) await once(gateway, "exit");
      await new Promise((resolve) => server.close(resolve));
      for (const socket of [settings.inwards, settings.outwards]) rmSync(socket, { force: true });
      removeNetwork(name);
    },
  };
}

export function removeNetwork(name: string): void {
  if (existsSync(`/run/netns/${name}`)) ip("netns", "delete", name);
}

/** Of the n-th thing that is served in the network, from 0 to 7. */
export const servedAddress = (number: number): string => `${PREFIX}.${2 + number}`;

function makeNamespace(name: string, addresses: string[]): void {
  const inside = (...args: string[]) => ip("-n", name, ...args);
  ip("netns", "add", name);
  inside("link", "set", "lo", "up");
  // Without one of its own a bridge takes a hardware address from its ports, and another one as machines come and go: those that stay would
  // send to the old one for seconds.
  inside("link", "add", BRIDGE, "address", BRIDGE_ADDRESS, "type", "bridge");
  inside("address", "add", `${GATEWAY}/24`, "dev", BRIDGE);
  for (const address of [METADATA, ...addresses]) inside("address", "add", `${address}/32`, "dev", BRIDGE);
  inside("link", "set", BRIDGE, "up");
}

const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe" });

async function startGateway(name: string, settings: GatewaySettings): Promise<ChildProcess> {
  const program = builtProgram(new URL("./gateway-main.js", import.meta.url));
  const child = spawn("nsenter", [`--net=/run/netns/${name}`, process.execPath, program, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-2000);
  });
  const ended = once(child, "exit").then(() => {
    throw new Error(`the gateway of the network "${name}" ended: ${text.trim()}`);
  });
  await Promise.race([once(child.stdout, "data"), ended]);
  ended.catch(() => {});
  return child;
}

async function listenFor(path: string, accept: NetworkInput["accept"]): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    takeLine(socket, (line) => accept(socket, JSON.parse(line) as Arrival));
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  return server;
}

/** Reads the first line and leaves the rest to whoever takes the connection over. */
function takeLine(socket: Socket, take: (line: string) => void): void {
  const read = () => {
    const chunk = socket.read() as Buffer | null;
    if (!chunk) return;
    socket.off("readable", read);
    const end = chunk.subarray(0, HEADER_BYTES_MAX).indexOf("\n");
    if (end < 0) return void socket.destroy();
    if (chunk.length > end + 1) socket.unshift(chunk.subarray(end + 1));
    take(chunk.subarray(0, end).toString());
  };
  socket.on("readable", read);
}

function dial(path: string, target: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const fail = () => reject(Object.assign(new Error(`nobody listens at ${target}`), { code: "ECONNREFUSED" }));
    socket.once("error", fail).once("end", fail).once("close", fail);
    socket.write(`${target}\n`);
    takeLine(socket, () => {
      socket.off("error", fail).off("end", fail).off("close", fail);
      resolve(socket);
    });
  });
}
