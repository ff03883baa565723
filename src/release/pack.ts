import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { type Pack, pack as startPack } from "tar-stream";
import type { Source, SourceFile } from "./source.ts";

/** Where gzip says which system it ran on (RFC 1952), and the value for "unknown". */
const SYSTEM_BYTE = 9;
const SYSTEM_UNKNOWN = 255;

/**
 * The source as a gzipped tar: the same bytes each time, whatever the clock, the umask, the user and the folder.
 * Holds files and symlinks only; whoever unpacks it makes the folders. Holds one file in memory at a time.
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
  for (const { path, mode, content } of files) {
    const bytes = await content();
    const facts = { name: path, mtime: new Date(0), uid: 0, gid: 0, uname: "", gname: "" };
    await new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (mode === "symlink") tar.entry({ ...facts, type: "symlink", mode: 0o777, linkname: bytes.toString() }, done);
      else tar.entry({ ...facts, type: "file", mode }, bytes, done);
    });
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
