// The only place that writes to the terminal. Reports go to stdout; progress, questions and errors go to stderr,
// so that `landfall ... --json | jq` and `landfall logs ... > file` get nothing but what they asked for.
import { createInterface } from "node:readline";
import { styleText } from "node:util";
import { forTerminal } from "./visible.ts";

type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

/** Colours for one of the two streams: only on a terminal, and never with NO_COLOR. */
export const hasColor = (stream: NodeJS.WriteStream): boolean => {
  if (process.env.NO_COLOR) return false;
  if (process.env.FORCE_COLOR) return process.env.FORCE_COLOR !== "0";
  return Boolean(stream.isTTY) && process.env.TERM !== "dumb";
};

const painter =
  (enabled: boolean): Paint =>
  (style, text) =>
    enabled ? styleText(style, text, { validateStream: false }) : text;

/** Paint for what goes to stdout. */
export const paintOut = (): Paint => painter(hasColor(process.stdout));
/** Paint for what goes to stderr. */
export const paintErr = (): Paint => painter(hasColor(process.stderr));

export const printOut = (text: string): void => void process.stdout.write(`${harmless(process.stdout, text)}\n`);
export const printErr = (text: string): void => void process.stderr.write(`${harmless(process.stderr, text)}\n`);
/** JSON escapes all that a terminal acts on but what Unicode has beyond ASCII. */
export const printJson = (value: unknown): void => printOut(toJson(value, 2));
/** For what has no end. */
export const printJsonLine = (value: unknown): void => printOut(toJson(value));

const toJson = (value: unknown, indent?: number): string => JSON.stringify(value, null, indent).replace(/[\u007f-\u009f]/g, escapeForJson);

const escapeForJson = (character: string): string => `\\u00${character.charCodeAt(0).toString(16)}`;

/** Files and pipes get every byte. */
const harmless = (stream: NodeJS.WriteStream, text: string): string => (stream.isTTY ? forTerminal(text, { color: hasColor(stream) }) : text);

/** Text that replaces itself, for the one live line. */
export const printLive = (text: string): void => void process.stderr.write(text);
export const isLive = (): boolean => Boolean(process.stderr.isTTY) && process.env.TERM !== "dumb" && !process.env.CI;
export const liveColumns = (): number => process.stderr.columns || 80;

/**
 * A reader that went away (`landfall logs | head`) is no failure: what only prints ends quietly, as other programs do. What changes something goes
 * on, whether anybody reads of it or not.
 */
export function outliveReaders(mustGoOn: () => boolean): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (mustGoOn()) return;
      if (error.code === "EPIPE" || error.code === "EIO") process.exit(0);
      throw error;
    });
  }
}

/** For a program that is to have them itself. */
export const ownStreams = () => {
  const { stdin, stdout, stderr } = process;
  return { stdin, stdout, stderr, terminal: stdin.isTTY && stdout.isTTY ? process.env.TERM : undefined };
};

export const canAsk = (): boolean => Boolean(process.stdin.isTTY);

/** Asks one question on the terminal. `hidden` shows nothing of what is typed. Empty when the input ends. */
export async function ask(question: string, { hidden = false } = {}): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: hidden ? undefined : process.stderr, terminal: true });
  try {
    process.stderr.write(harmless(process.stderr, question));
    return await new Promise<string>((resolve, reject) => {
      reader.once("line", resolve);
      reader.once("close", () => resolve(""));
      // The reader takes Ctrl-C away from the process, so it is handed back.
      reader.once("SIGINT", () => {
        process.kill(process.pid, "SIGINT");
        reject(new DOMException("interrupted while a question was open", "AbortError"));
      });
    });
  } finally {
    reader.close();
    if (hidden) process.stderr.write("\n");
  }
}

/** All of stdin as text. */
export async function readInput(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
