// A program that somebody waits for, as a shell runs it: with their terminal or their streams, their signals, and its end as the answer.
import { type ChildProcess, spawn } from "node:child_process";
import { Readable, Writable } from "node:stream";
import { isatty } from "node:tty";
import { codeOf, messageOf } from "../error.ts";
import type { CommandStreams } from "./command-streams.ts";
import { observeStat } from "./processes.ts";

/** What has a descriptor, as the streams of this process have, becomes the program's own: a terminal with all that it can do. The rest is piped. */
export interface Attended extends Pick<CommandStreams, "onStart"> {
  stdin?: Readable;
  stdout: Writable;
  stderr: Writable;
}

export const attendedOf = ({ stdin, stdout, stderr, onStart }: CommandStreams): Attended => ({
  ...(stdin && { stdin: stdin instanceof Readable ? stdin : Readable.from(stdin) }),
  stdout: writableOf(stdout),
  stderr: writableOf(stderr),
  onStart,
});

const writableOf = (sink: CommandStreams["stdout"]): Writable =>
  sink instanceof Writable
    ? sink
    : new Writable({
        write(chunk, _, done) {
          sink.write(chunk);
          done();
        },
      });

interface Program {
  argv: string[];
  cwd?: string;
  env: NodeJS.ProcessEnv;
}

export interface ProgramEnd {
  /** As a shell counts: 127 for what was not found, 126 for what cannot be executed. */
  code?: number;
  signal?: NodeJS.Signals;
  /** Why it was never started. */
  failure?: string;
}

/** Resolves when the program has ended and all that it wrote has been passed on. Whoever reads may go away before. */
export async function attend({ argv: [file = "", ...words], cwd, env }: Program, attended: Attended): Promise<ProgramEnd> {
  const { stdin, stdout, stderr } = attended;
  const child = spawn(file, words, { cwd, env, stdio: [stdin ? place(stdin) : "ignore", place(stdout), place(stderr)] });
  child.once("spawn", () => attended.onStart?.((signal) => sendUnlessHeard(child, signal)));
  const pumped = connect(child, attended);
  try {
    const [code, signal] = await ended(child);
    await pumped;
    return signal ? { signal } : { code: code ?? undefined };
  } catch (error) {
    return notStarted(file, error);
  } finally {
    if (child.stdin) stdin?.unpipe(child.stdin);
  }
}

const place = (stream: Readable | Writable): number | "pipe" => ("fd" in stream && typeof stream.fd === "number" ? stream.fd : "pipe");

/** What was printed is never more than a pipe ahead of its reader. */
async function connect(child: ChildProcess, { stdin, stdout, stderr }: Attended): Promise<void> {
  // A program that does not read its input may be gone before it is written.
  if (child.stdin) stdin?.pipe(child.stdin.on("error", () => {}));
  await Promise.all([pump(child.stdout, stdout), pump(child.stderr, stderr)]);
}

/** A reader that went away takes no more, and the program hears of it as it would at a pipe of its own. */
async function pump(from: Readable | null, to: Writable): Promise<void> {
  if (!from) return;
  const away = () => from.destroy();
  to.once("error", away);
  try {
    for await (const chunk of from) if (!to.write(chunk)) await writable(to);
  } catch {
    // It was destroyed above.
  } finally {
    to.off("error", away);
  }
}

const writable = (stream: Writable): Promise<void> =>
  new Promise((resolve) => {
    const events = ["drain", "error", "close"];
    const settle = () => {
      for (const event of events) stream.off(event, settle);
      resolve();
    };
    for (const event of events) stream.on(event, settle);
  });

const ended = (child: ChildProcess): Promise<[code: number | null, signal: NodeJS.Signals | null]> =>
  new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve([code, signal]));
  });

const notStarted = (file: string, error: unknown): ProgramEnd =>
  codeOf(error) === "ENOENT" ? { code: 127, failure: `${file}: not found` } : { code: 126, failure: `${file}: ${messageOf(error)}` };

/** What is typed at the terminal goes from there to all that this process has started: the program must not get it once more. */
function sendUnlessHeard(child: ChildProcess, signal: NodeJS.Signals): void {
  if (!["SIGINT", "SIGQUIT"].includes(signal) || !isInForeground()) child.kill(signal);
}

function isInForeground(): boolean {
  const stat = process.platform === "linux" ? observeStat(process.pid) : undefined;
  return stat ? stat.foreground === stat.group : [0, 1, 2].some((descriptor) => isatty(descriptor));
}
