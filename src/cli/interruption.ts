// SIGINT and SIGTERM. Work that changes something ends at its next safe point and says what stands; reading just ends.
import { printErr } from "./print/terminal.ts";

let working: AbortController | undefined;

export function heedSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      // Asked twice, or with nothing that could be left half done: at once.
      if (!working || working.signal.aborted) process.exit(130);
      printErr(`\n${signal}: stopping at the next safe point. Once more stops at once.`);
      working.abort(new DOMException(`interrupted by ${signal}`, "AbortError"));
    });
  }
}

/** Runs work that must not be cut off in the middle. Its signal aborts when the user interrupts. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  working = new AbortController();
  try {
    return await work(working.signal);
  } finally {
    working = undefined;
  }
}
