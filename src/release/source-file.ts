// A file of a source. Its bytes come piece by piece, so that one of any size stands in memory only in part.

/** The bytes of one file; what reads the pieces to their end has had `size` bytes. */
export interface Content {
  size: number;
  pieces: Iterable<Buffer> | AsyncIterable<Buffer>;
}

export interface SourceFile {
  /** Relative to the app's folder, with forward slashes. */
  path: string;
  mode: 0o644 | 0o755 | "symlink";
  /**
   * Lets `use` read the bytes; of a symlink, where it points. May be called again, and gives the same bytes or throws SOURCE_CHANGED. Files of one
   * source are read one after another.
   */
  read: <T>(use: (content: Content) => Promise<T>) => Promise<T>;
}

export const contentOf = (bytes: Buffer): Content => ({ size: bytes.length, pieces: [bytes] });

export async function collect({ pieces }: Content): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const piece of pieces) parts.push(piece);
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

/** For files that are known to be small. */
export const readWhole = ({ read }: Pick<SourceFile, "read">): Promise<Buffer> => read(collect);
