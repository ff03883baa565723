// The reading end of one pipe.

import { constants, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { codeOf } from "../../../error.ts";

const CHUNK_BYTES = 64 * 1024;
/** No pipe holds more, unless root has raised fs.pipe-max-size. */
const PIPE_BYTES_MAX = 1024 * 1024;

export interface PipeListener {
  bytes(chunk: Buffer): void;
  /** Nobody has it open for writing any more, and all of it has been read. */
  end(): void;
}

export class Pipe {
  readonly #handle: number;
  readonly #socket: Socket;
  readonly #listener: PipeListener;

  constructor(file: string, listener: PipeListener) {
    this.#listener = listener;
    this.#handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd: this.#handle, readable: true, writable: false });
    this.#socket.on("data", (chunk) => listener.bytes(chunk));
    this.#socket.on("error", (error) => console.error(`"${file}" cannot be read any more: ${error.message}`));
    this.#socket.once("close", () => listener.end());
  }

  /** Reads what is in it now. What somebody goes on writing meanwhile comes as ever. */
  drain(): void {
    // Once it is destroyed its descriptor may be another file's.
    for (let read = 0; !this.#socket.destroyed && read < PIPE_BYTES_MAX; ) {
      const chunk = this.#read();
      if (chunk.length === 0) return;
      read += chunk.length;
      this.#listener.bytes(chunk);
    }
  }

  #read(): Buffer {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    try {
      return chunk.subarray(0, readSync(this.#handle, chunk));
    } catch (error) {
      if (codeOf(error) === "EAGAIN") return chunk.subarray(0, 0);
      throw error;
    }
  }
}
