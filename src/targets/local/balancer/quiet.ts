// Connections that a stop need not wait for. Node closes those that wait for their next request; it knows nothing of those that have not asked
// yet, which may be in the middle of a handshake, and of those that HTTP has let go of.
import type { Socket } from "node:net";

export class QuietConnections {
  readonly #bytes = new Map<Socket, number>();

  /** From now on nothing is in hand on it. */
  add(socket: Socket): void {
    if (!this.#bytes.has(socket)) socket.once("close", () => this.#bytes.delete(socket));
    this.#bytes.set(socket, socket.bytesRead);
  }

  delete(socket: Socket): void {
    this.#bytes.delete(socket);
  }

  /** Closes those that have said nothing since they were added or looked at. */
  close(): void {
    for (const [socket, bytes] of this.#bytes) {
      if (socket.bytesRead === bytes) socket.destroy();
      else this.#bytes.set(socket, socket.bytesRead);
    }
  }
}
