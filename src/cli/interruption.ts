// SIGINT, SIGTERM and SIGHUP. Work that changes something ends at its next safe point and says what stands; a command that is run by hand gets them
// itself; reading just ends. SIGHUP tells of a terminal that goes away: without one, as nohup starts it, work goes on.
import { isatty } from "node:tty";
import type { HandedSignal, SendSignal } from "../system/command-streams.ts";
import { printErr } from "./print/terminal.ts";

let working: AbortController | undefined;
let hasWorked = false;
let hasTerminal = false;
const byHand = new Set<SendSignal>();

export function handleSignals(): void {
  // Asked now: one that has gone is none. Node undoes what nohup has it ignore, but not what nohup puts in the place of a terminal.
  hasTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupt(signal));
}

function interrupt(signal: HandedSignal): void {
  if (byHand.size > 0) return passOn(signal);
  const isAskedAgain = working?.signal.aborted;
  // Of a terminal that goes away one hears more than once, from the system and from the shell.
  if (signal === "SIGHUP" && (isAskedAgain || !hasTerminal)) return;
  // Asked twice, or with nothing that could be left half done: at once.
  if (!working || isAskedAgain) process.exit(130);
  printErr(`\n${signal}: stopping at the next safe point. Once more stops at once.`);
  working.abort(new DOMException(`interrupted by ${signal}`, "AbortError"));
}

/** Whether something was begun that is to come to its end although nobody may read what is printed of it. */
export const mustGoOn = (): boolean => hasWorked;

/** Runs work that must not be cut off in the middle. Its signal aborts when the user interrupts. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  hasWorked = true;
  working = new AbortController();
  try {
    return await work(working.signal);
  } finally {
    working = undefined;
  }
}

/** Runs commands by hand. From the start of the first until all have ended they get the signals, and decide what these mean. */
export async function passingSignals<T>(work: (onStart: (send: SendSignal) => void) => Promise<T>): Promise<T> {
  const quit = () => passOn("SIGQUIT");
  process.on("SIGQUIT", quit);
  try {
    return await work((send) => void byHand.add(send));
  } finally {
    byHand.clear();
    process.off("SIGQUIT", quit);
  }
}

function passOn(signal: HandedSignal): void {
  for (const send of byHand) send(signal);
}
