// Room on the disk that is given up when there is no other: what crashes on a full disk can then be started again, since a start is written down first.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { codeOf, LandfallError } from "../../../error.ts";
import { removeAll, writeWhole } from "../../../system/files.ts";
import { despiteDisk } from "../../../system/processes.ts";
import type { Paths } from "../paths.ts";

/** Enough for the records, pipes and words of hundreds of starts. */
const BYTES = 1024 * 1024;

export class Reserve {
  readonly #file: string;

  constructor({ supervisor }: Paths) {
    this.#file = join(supervisor, "reserve");
  }

  /** Takes it, unless it is there, or there is no room. Of bytes that no disk makes smaller. */
  keep(): void {
    if (!existsSync(this.#file)) despiteDisk(() => writeWhole(this.#file, randomBytes(BYTES), { flush: false }));
  }

  /** True when there was some to give. */
  give(): boolean {
    const isThere = existsSync(this.#file);
    removeAll(this.#file);
    return isThere;
  }
}

const FULL = ["ENOSPC", "EDQUOT"];

/** Whether the disk was why something could not be started: it may have room again at any moment. */
export function isOfDisk(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (FULL.includes(codeOf(cause) ?? "") || (cause instanceof LandfallError && cause.code === "STATE_UNWRITABLE")) return true;
  return false;
}
