// What is on stdin, for channels that take it as a whole.
import type { Readable } from "node:stream";
import { LandfallError } from "../../../error.ts";
import type { Attended } from "../../../system/attend.ts";
import type { Context } from "../context.ts";

export interface RemoteOptions extends Attended {
  /** The kind of the terminal that the command is seen on; without one there is none. */
  terminal?: string;
}

const INPUT_BYTES_MAX = 512 * 1024 * 1024;
/** An input that is still open by then is perhaps none. */
const SAY_AFTER_MS = 3_000;

/** Empty for a terminal, and when there is no input. Errors: USAGE for what is too much. */
export async function readInput({ emit }: Pick<Context, "emit">, stdin: Readable | undefined): Promise<Buffer> {
  if (!stdin || ("isTTY" in stdin && stdin.isTTY)) return Buffer.alloc(0);
  const timer = setTimeout(
    () => emit({ type: "warning", text: "waiting for the end of stdin, which goes there as a whole; where there is none, write  </dev/null" }),
    SAY_AFTER_MS,
  );
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stdin) {
      chunks.push(Buffer.from(chunk));
      bytes += chunk.length;
      if (bytes > INPUT_BYTES_MAX) throw refused("it is more than 512 MB", "put it into a bucket that the service can read");
    }
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks);
}

/** Errors: USAGE when there is any. */
export async function assertNoInput(context: Pick<Context, "emit">, stdin: Readable | undefined): Promise<void> {
  if ((await readInput(context, stdin)).length === 0) return;
  throw refused(
    "ECS Exec has a terminal and no stdin: bytes would be taken for keys, and their end could not be told",
    "put it into a bucket that the service can read",
  );
}

const refused = (why: string, next: string) =>
  new LandfallError({ code: "USAGE", what: "what is on stdin cannot be given to the command", why, standing: "Nothing was changed.", next });
