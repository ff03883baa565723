// What stands in the files after each accident that a disk knows.
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { FolderGone, Log } from "../../../../../src/targets/local/object-server/disk/log.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "landfall-log-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const first = () => join(folder, "00000001.log");
let isThere = true;

async function openLog(segmentBytes?: number): Promise<{ log: Log; texts: string[]; contents(): Promise<string[]> }> {
  const records: Parameters<Parameters<typeof Log.open>[1]>[0][] = [];
  const log = await Log.open({ folder, isThere: () => isThere, segmentBytes }, (record) => records.push(record));
  return {
    log,
    texts: records.map(({ text }) => text),
    contents: () => Promise.all(records.map(async ({ place }) => (await log.read(place)).toString())),
  };
}

/** The methods of every open file. */
async function fileMethods(): Promise<FileHandle> {
  const handle = await open(first(), "a");
  await handle.close();
  return Object.getPrototypeOf(handle);
}

it("gives back what was written, in its order", async () => {
  const { log } = await openLog();
  await Promise.all(["a", "ü", "c"].map((text) => log.append(text, Buffer.from(`content of ${text}`))));
  await log.close();
  const again = await openLog();
  expect(again.texts).toEqual(["a", "ü", "c"]);
  expect(await again.contents()).toEqual(["content of a", "content of ü", "content of c"]);
  await again.log.close();
});

it("tells nobody that a record is stored before it is flushed, and flushes once for all that wait", async () => {
  const { log } = await openLog();
  const methods = await fileMethods();
  let flush = () => {};
  const flushing = vi.spyOn(methods, "datasync").mockImplementation(() => new Promise((resolve) => (flush = resolve)));
  const stored: string[] = [];
  const waiting = ["a", "b", "c"].map((text) => log.append(text).then(() => stored.push(text)));
  await log.append("not flushed", undefined, { flush: false });
  await expect.poll(() => flushing.mock.calls.length).toBe(1);
  expect(readFileSync(first(), "utf8")).toContain("not flushed");
  expect(stored).toEqual([]);
  flush();
  await Promise.all(waiting);
  expect(stored).toEqual(["a", "b", "c"]);
  expect(flushing).toHaveBeenCalledTimes(1);
  await log.close();
});

it("keeps every whole record wherever the last one was cut off, and what is left of that beside", async () => {
  vi.spyOn(console, "warn").mockImplementation(() => {});
  const { log } = await openLog();
  await log.append("one", Buffer.from("content"));
  const good = statSync(first()).size;
  await log.append("two", Buffer.from("content"));
  await log.close();
  const whole = readFileSync(first());
  for (let size = good + 1; size < whole.length; size++) {
    writeFileSync(first(), whole.subarray(0, size));
    const again = await openLog();
    expect(again.texts).toEqual(["one"]);
    await again.log.append("three");
    await again.log.close();
    const third = await openLog();
    expect(third.texts).toEqual(["one", "three"]);
    await third.log.close();
  }
  expect(readdirSync(folder).filter((name) => name.endsWith(".cut"))).toHaveLength(whole.length - good - 1);
});

it.each(["zeros", "noise"])("passes over %s behind the last record", async (kind) => {
  vi.spyOn(console, "warn").mockImplementation(() => {});
  const { log } = await openLog();
  await log.append("one");
  await log.close();
  appendFileSync(first(), kind === "zeros" ? Buffer.alloc(4096) : Buffer.alloc(4096, 0xa7));
  const again = await openLog();
  expect(again.texts).toEqual(["one"]);
  await again.log.close();
});

it("refuses to open what is damaged where it was once whole", async () => {
  const { log } = await openLog(1);
  for (const text of ["one", "two", "three"]) await log.append(text);
  await log.close();
  expect(existsSync(join(folder, "00000003.log"))).toBe(true);
  const bytes = readFileSync(first());
  bytes[bytes.length - 1] = 0x58;
  writeFileSync(first(), bytes);
  await expect(openLog()).rejects.toThrow(`"${first()}" is damaged at byte 0`);
});

it("leaves no half of a record when the disk is full, and goes on when there is room", async () => {
  const { log } = await openLog();
  const methods = await fileMethods();
  const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  const writing = vi.spyOn(methods, "write").mockImplementationOnce(async () => {
    appendFileSync(first(), "half");
    throw full;
  });
  await expect(log.append("lost")).rejects.toBe(full);
  writing.mockRestore();
  await log.append("kept");
  await log.close();
  const again = await openLog();
  expect(again.texts).toEqual(["kept"]);
  await again.log.close();
});

it("writes nothing into a folder that is not the one it was opened in", async () => {
  const { log } = await openLog();
  isThere = false;
  await expect(log.append("lost")).rejects.toThrow(FolderGone);
  isThere = true;
  await log.append("kept");
  await log.close();
  const again = await openLog();
  expect(again.texts).toEqual(["kept"]);
  await again.log.close();
});
