import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadLines } from "../../../../src/system/files.ts";
import { FILE_BYTES_MAX, type LogEntry, LogFile } from "../../../../src/targets/local/log-writer/log-file.ts";
import { canMount, fill, mountDisk } from "../../../full-disk.ts";

describe.skipIf(!canMount)(`a log on a full disk${canMount ? "" : " (needs root on Linux, to mount one)"}`, () => {
  let folder: string;
  let unmount: () => void;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), "landfall-test-")), "disk");
    unmount = mountDisk(folder, 24);
  });
  afterEach(() => {
    unmount();
    rmSync(join(folder, ".."), { recursive: true });
  });

  const entry = (line: string): LogEntry => ({ at: 1, stream: "stdout", line, run: 1 });
  const open = () => readdirSync("/proc/self/fd").length;
  const file = () => join(folder, "logs", "web.1.jsonl");
  const lines = () => loadLines<LogEntry>(file()).map(({ line }) => line);

  test("that is due for a new file keeps no descriptor of one that it could not begin", () => {
    const log = new LogFile(file(), { id: "web.1" });
    log.append([entry("x".repeat(FILE_BYTES_MAX))]);
    const giveBack = fill(folder);
    const before = open();
    for (let time = 0; time < 20; time++) expect(() => log.append([entry("refused")])).toThrow("ENOSPC");
    expect(open()).toBe(before);
    giveBack();
    log.append([entry("taken")]);
    expect(lines()).toEqual([undefined, "taken"]);
    log.close();
    expect(open()).toBe(before - 1);
  });

  test("takes a line as a whole or not at all, also the first", () => {
    const giveBack = fill(folder);
    const log = new LogFile(file(), { id: "web.1" });
    expect(() => log.append([entry("one")])).toThrow("ENOSPC");
    expect(log.loadLast()).toEqual([]);
    giveBack();
    log.append([entry("one")]);
    fill(folder);
    expect(() => log.append([entry("y".repeat(8000))])).toThrow("ENOSPC");
    expect(lines()).toEqual([undefined, "one"]);
    expect(log.loadLast().map(({ line }) => line)).toEqual(["one"]);
    log.close();
  });
});
