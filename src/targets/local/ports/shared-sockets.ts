// Listening sockets that belong to the keeper and are served by a process it starts. While that process is started again, new
// connections wait in the kernel's queue instead of being refused; and two of it can serve one socket while one takes over.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { builtProgram } from "../../../system/built.ts";
import { tryListening } from "../../../system/network.ts";
import { BACKLOG } from "./listen.ts";
import { portTaken } from "./port-taken.ts";
import type { SharedSocketAnswer, SharedSocketInput } from "./shared-socket-main.ts";

const LISTENS_NOWHERE = "The balancer listens nowhere until the port is free; everything else runs on.";

interface SharedSocket {
  descriptor: number;
  thread: Worker;
}

export class SharedSockets {
  readonly #byPort = new Map<number, Promise<SharedSocket>>();

  /**
   * Takes the ports of 127.0.0.1 that are not held yet, and returns the descriptor of each. They listen when this resolves. Throws
   * PORT_TAKEN when somebody else has one of them; then none is held that was not before.
   */
  async hold(ports: readonly number[], standing = LISTENS_NOWHERE): Promise<Map<number, number>> {
    const before = new Set(this.#byPort.keys());
    const taken = await Promise.allSettled(ports.map(async (port) => [port, (await this.#keep(port, standing)).descriptor] as const));
    const failure = taken.find((socket) => socket.status === "rejected");
    if (failure) {
      await this.release(ports.filter((port) => !before.has(port)));
      throw failure.reason;
    }
    return new Map(taken.flatMap((socket) => (socket.status === "fulfilled" ? [socket.value] : [])));
  }

  #keep(port: number, standing: string): Promise<SharedSocket> {
    const kept = this.#byPort.get(port) ?? take(port, standing);
    this.#byPort.set(port, kept);
    return kept;
  }

  /** Throws PORT_TAKEN when one of the ports that are not held is somebody else's. Takes none. */
  async requireFree(ports: readonly number[], standing = LISTENS_NOWHERE): Promise<void> {
    for (const port of ports) await (this.#byPort.get(port) ?? requireFree(port, standing));
  }

  ports(): number[] {
    return [...this.#byPort.keys()];
  }

  /** Connections that wait there are refused, unless a process still serves the socket. */
  async release(ports: readonly number[]): Promise<void> {
    const held = ports.flatMap((port) => this.#byPort.get(port) ?? []);
    for (const port of ports) this.#byPort.delete(port);
    await Promise.all(held.map((socket) => socket.then(({ thread }) => thread.terminate()).catch(() => {})));
  }
}

async function take(port: number, standing: string): Promise<SharedSocket> {
  // A port that is taken may stay so for hours, and is tried twice a second: a look is cheaper than a thread.
  await requireFree(port, standing);
  const workerData: SharedSocketInput = { port, backlog: BACKLOG };
  const thread = new Worker(builtProgram(new URL("./shared-socket-main.js", import.meta.url)), { workerData });
  // It must not keep a process alive that was told to end.
  thread.unref();
  const [answer]: SharedSocketAnswer[] = await once(thread, "message");
  if (!answer) throw new TypeError("the thread's message was empty");
  if ("descriptor" in answer) return { descriptor: answer.descriptor, thread };
  throw portTaken({ port, owner: "the balancer" }, answer, { standing });
}

async function requireFree(port: number, standing: string): Promise<void> {
  const refusal = await tryListening(port);
  if (refusal) throw portTaken({ port, owner: "the balancer" }, refusal, { standing });
}
