// A failure on stderr: five parts for a LandfallError, the whole stack for a defect of Landfall itself.
import type { ErrorParts } from "../../error.ts";
import { LandfallError } from "../../index.ts";
import { hidePasswords } from "../../text/mask.ts";
import { describeError } from "./error.ts";
import { hasColor, printErr } from "./terminal.ts";

/** Prints it and returns the exit status. */
export function printFailure(failure: unknown, json: boolean): number {
  if (failure instanceof LandfallError) {
    const text = json
      ? JSON.stringify({ error: plain(failure) }, null, 2)
      : describeError(failure, { color: hasColor(process.stderr), cwd: process.cwd() });
    printErr(text.trimEnd());
    return failure.exitCode;
  }
  const stack = hidePasswords(failure instanceof Error ? (failure.stack ?? failure.message) : String(failure));
  if (json) printErr(JSON.stringify({ error: { code: "DEFECT", exitCode: 1, what: stack } }, null, 2));
  else printErr(`error: Landfall met something it does not expect; this is a defect of Landfall\n\n${stack}`);
  return 1;
}

interface PlainError extends Omit<ErrorParts, "cause"> {
  exitCode: number;
  more?: PlainError[];
}

/** Without the cause, which may hold anything. */
function plain({ parts: { cause: _, ...parts }, exitCode, more }: LandfallError): PlainError {
  return { ...parts, exitCode, ...(more.length > 0 && { more: more.map(plain) }) };
}
