// The first program of a container, given to ECS as text, so that an image needs nothing but its own shell.
import type { Service } from "../config/schema.ts";
import { programText } from "./programs.ts";

/** To a command that a shell starts beside itself these two mean nothing, whatever it says of them later. */
const IGNORED_BESIDE_A_SHELL = ["SIGINT", "SIGQUIT"];
const KILL_AFTER_S = 10;

/**
 * What stands before the command. After `seconds`, if there are any, it is stopped and the container ends with status 124, or 137 if it did
 * not stop in time.
 */
export function containerEntry({ signal, timeout }: Service["stop"], seconds = 0): string[] {
  if (IGNORED_BESIDE_A_SHELL.includes(signal))
    return [...(seconds === 0 ? [] : ["timeout", "-s", signal.slice(3), "-k", String(KILL_AFTER_S), String(seconds)]), "/bin/sh", "-c"];
  const program = ["stopping.sh", "run-container.sh"]
    .map(programText)
    .join("")
    .replace(/^\s*#.*\n/gm, "");
  return ["/bin/sh", "-c", program, "landfall", signal.slice(3), String(timeout), String(seconds)];
}
