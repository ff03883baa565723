import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Pack, pack as startPack } from "tar-stream";
import type { Source } from "./source.ts";
import { readWhole, type SourceFile } from "./source-file.ts";

/** Where gzip says which system it ran on (RFC 1952), and the value for "unknown". */
const SYSTEM_BYTE = 9;
const SYSTEM_UNKNOWN = 255;

/**
 * The source as a gzipped tar: the same bytes each time, whatever the clock, the umask, the user and the folder.
 * Holds files and symlinks only; whoever unpacks it makes the folders. Stands in memory only in part.
 */
export function packSource(source: Source): Readable {
  const tar = startPack();
  const gzip = createGzip({ level: 9 });
  addFiles(tar, source.files).catch((error: Error) => tar.destroy(error));
  tar.on("error", (error: Error) => gzip.destroy(error));
  gzip.on("close", () => tar.destroy());
  tar.pipe(gzip);
  return Readable.from(withoutSystem(gzip), { objectMode: false });
}

async function addFiles(tar: Pack, files: SourceFile[]): Promise<void> {
  for (const file of files) {
    const { path, mode, read } = file;
    const facts = { name: path, mtime: new Date(0), uid: 0, gid: 0, uname: "", gname: "" };
    if (mode === "symlink") tar.entry({ ...facts, type: "symlink", mode: 0o777, linkname: String(await readWhole(file)) });
    else await read(({ size, pieces }) => pipeline(pieces, tar.entry({ ...facts, type: "file", mode, size })));
  }
  tar.finalize();
}

async function* withoutSystem(gzip: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let at = 0;
  for await (const chunk of gzip) {
    if (at <= SYSTEM_BYTE && SYSTEM_BYTE < at + chunk.length) chunk[SYSTEM_BYTE - at] = SYSTEM_UNKNOWN;
    at += chunk.length;
    yield chunk;
  }
}
