// Listening sockets that belong to the supervisor and are served by a process it starts. While that process is started again, new
// connections wait in the kernel's queue instead of being refused; and two of it can serve one socket while one takes over.
import net from "node:net";

interface Handle {
  fd: number;
  close(): void;
}

/** Node's cluster module makes its shared sockets by it; a server of node's own would begin to accept. A number is an error. */
type BindSocket = (address: string, port: number, addressType: 4, fd: -1) => Handle | number;
const bindSocket = (net as unknown as { _createServerHandle: BindSocket })._createServerHandle;

export class HeldSockets {
  readonly #byPort = new Map<number, Handle>();

  /**
   * Takes the ports of 127.0.0.1 that are not held yet, and returns the descriptor of each that is held now. One that somebody else
   * has is left out: whoever wants to listen there says so better.
   */
  hold(ports: readonly number[]): Map<number, number> {
    const descriptors = new Map<number, number>();
    for (const port of ports) {
      const held = this.#byPort.get(port) ?? bindSocket("127.0.0.1", port, 4, -1);
      if (typeof held === "number") continue;
      this.#byPort.set(port, held);
      descriptors.set(port, held.fd);
    }
    return descriptors;
  }

  holds(ports: readonly number[]): boolean {
    return ports.every((port) => this.#byPort.has(port));
  }

  /** Connections that wait there are refused, unless a process still serves the socket. */
  release(ports: readonly number[]): void {
    for (const port of ports) {
      this.#byPort.get(port)?.close();
      this.#byPort.delete(port);
    }
  }
}
