// The real place of a control socket. Unix socket paths end at 107 bytes (103 on macOS), and an environment's folder may lie deeper.

import { mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { codeOf } from "../error.ts";
import { loadText, removeAll } from "./files.ts";

const SOCKET_PATH_BYTES_MAX = 103;

/**
 * The path to listen on and to connect to for the socket that should stand at `path`. It is `path` itself when that is short
 * enough; else a socket in a private folder under the system's temporary folder, whose path is kept in `<path>.path`.
 * Both sides call this, in any order.
 */
export function socketPathOf(path: string): string {
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  const note = `${path}.path`;
  for (;;) {
    const kept = loadText(note);
    if (kept && isOurs(dirname(kept))) return kept;
    // A temporary folder may have been cleared, or made by someone else under the same name since.
    removeAll(note);
    const path = join(mkdtempSync(join(tmpdir(), "landfall-")), "control.sock");
    try {
      // The other side may be doing the same at this moment; the one that comes second reads what the first has written.
      writeFileSync(note, path, { flag: "wx", mode: 0o600 });
    } catch (error) {
      removeAll(dirname(path));
      if (codeOf(error) !== "EEXIST") throw error;
    }
  }
}

/** Removes the socket at `path`, and the short one that stands for it. */
export function removeSocket(path: string): void {
  const note = loadText(`${path}.path`);
  if (note && isOurs(dirname(note))) removeAll(dirname(note));
  removeAll(`${path}.path`);
  removeAll(path);
}

function isOurs(folder: string): boolean {
  const facts = statSync(folder, { throwIfNoEntry: false });
  if (!facts?.isDirectory()) return false;
  return facts.uid === (process.getuid?.() ?? facts.uid) && (facts.mode & 0o077) === 0;
}
