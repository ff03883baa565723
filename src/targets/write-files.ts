// A release's files, written down.
import { chmodSync, closeSync, mkdirSync, openSync, symlinkSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Content, readWhole, type SourceFile } from "../release/source-file.ts";

/** Writes files into a folder that has none of them, with the modes they have in the source, whatever the umask. */
export async function writeFiles(folder: string, files: SourceFile[]): Promise<void> {
  for (const file of files) {
    const place = join(folder, file.path);
    mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
    if (file.mode === "symlink") {
      symlinkSync(await readWhole(file), place);
    } else {
      await file.read((content) => writePieces(place, content));
      chmodSync(place, file.mode);
    }
  }
}

async function writePieces(place: string, { pieces }: Content): Promise<void> {
  const handle = openSync(place, "wx");
  try {
    for await (const piece of pieces) for (let written = 0; written < piece.length; ) written += writeSync(handle, piece, written);
  } finally {
    closeSync(handle);
  }
}
