// Pipes with a name.
import { execFile } from "node:child_process";
import { constants, openSync } from "node:fs";
import { promisify } from "node:util";

/** Makes pipes (FIFOs) of those names, mode 0600. None may be there yet. */
export async function makePipes(files: string[]): Promise<void> {
  await promisify(execFile)("mkfifo", ["-m", "600", ...files]);
}

/**
 * Opens a pipe for reading and writing: so it waits for nobody at the other end, and whoever writes to it is never told that nobody
 * reads. What is in it stays as long as someone has it open.
 */
export const openPipe = (file: string): number => openSync(file, constants.O_RDWR);
