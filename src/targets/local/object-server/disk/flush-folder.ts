// A file is found again after a power cut only when its folder was flushed too.
import { open } from "node:fs/promises";

interface Flush {
  running: Promise<void>;
  next?: Promise<void>;
}

const flushes = new Map<string, Flush>();

/** Resolves when every name that the folder has now is on the disk. Calls of one moment share a flush. */
export function flushFolder(folder: string): Promise<void> {
  const flush = flushes.get(folder);
  // One that runs already may have begun before the name was there.
  if (!flush) return begin(folder);
  flush.next ??= flush.running.then(() => begin(folder));
  return flush.next;
}

function begin(folder: string): Promise<void> {
  const running = sync(folder).finally(() => {
    if (flushes.get(folder)?.running === running && !flushes.get(folder)?.next) flushes.delete(folder);
  });
  flushes.set(folder, { running });
  return running;
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
