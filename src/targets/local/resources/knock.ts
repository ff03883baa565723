// Whether a resource of this machine says anything at all. A server that is stopped or hangs still takes connections, which the kernel does for it.
import { connect } from "node:net";
import type { Resource } from "../../../resources/index.ts";

/** How long one that runs is waited for: a look at the status is not to take longer. */
const ANSWER_WITHIN_MS = 2_000;

/** What needs no password and leaves no line in a log. Whatever comes back will do. */
const GREETINGS: Partial<Record<Resource["type"], Uint8Array>> = {
  // SSLRequest, of PostgreSQL's protocol.
  postgres: Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f),
  cache: Buffer.from("PING\r\n"),
  queue: Buffer.from("HEAD / HTTP/1.0\r\n\r\n"),
  bucket: Buffer.from("HEAD / HTTP/1.0\r\n\r\n"),
};

/** False when it takes the connection and nothing comes back. What refuses it is not silent: its process is known to have ended. */
export function answersKnock(type: Resource["type"], address: string): Promise<boolean> {
  const port = /127\.0\.0\.1:(\d+)/.exec(address)?.[1];
  const greeting = GREETINGS[type];
  if (!greeting || !port) return Promise.resolve(true);
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: Number(port) });
    const settle = (answers: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answers);
    };
    const timer = setTimeout(() => settle(false), ANSWER_WITHIN_MS);
    socket.once("connect", () => socket.write(greeting));
    for (const event of ["data", "end", "error"] as const) socket.once(event, () => settle(true));
  });
}
