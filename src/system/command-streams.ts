// What whoever runs a command by hand hands over, in words that need none of Node's types: they are part of the package's own.

interface Sink {
  write(chunk: Uint8Array | string): unknown;
}

/** What terminals, shells and people send. */
export type HandedSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT" | "SIGUSR1" | "SIGUSR2";
export type SendSignal = (signal: HandedSignal) => void;

export interface CommandStreams {
  /** Nothing is read when it is left out. Streams of Node with a descriptor, as a process has them, become the command's own. */
  stdin?: AsyncIterable<Uint8Array | string>;
  stdout: Sink;
  stderr: Sink;
  /** Is given, once the command runs, what sends it a signal. */
  onStart?: (send: SendSignal) => void;
}
