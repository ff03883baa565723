import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LogEntry, LogFile } from "../../../../src/targets/local/supervisor/log-file.ts";
import { LINE_BYTES_MAX, Spool } from "../../../../src/targets/local/supervisor/spool.ts";
import { until } from "./environment.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "landfall-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const spoolFile = () => join(folder, "1.stdout");
const logFile = () => join(folder, "web.1.jsonl");
const open = () => {
  appendFileSync(spoolFile(), "");
  const log = new LogFile(logFile(), { id: "web.1" });
  if (log.offsetsOf(1).stdout === 0) log.mark(1);
  return new Spool({ file: spoolFile(), stream: "stdout", run: 1, log });
};
const write = (text: string | Buffer) => appendFileSync(spoolFile(), text);
const pumpAll = (spool: Spool) => {
  while (spool.pump());
};
const entries = (): LogEntry[] =>
  readFileSync(logFile(), "utf8")
    .split("\n")
    .flatMap((text) => (text.includes('"line"') ? [JSON.parse(text) as LogEntry] : []));
const lines = () => entries().map(({ line }) => line);

describe("what a program writes", () => {
  test("becomes lines when they are whole, and the rest at its end", () => {
    const spool = open();
    write("one\r\ntw");
    pumpAll(spool);
    expect(lines()).toEqual(["one"]);
    write("o\n\nlast");
    pumpAll(spool);
    spool.finish();
    expect(lines()).toEqual(["one", "two", "", "last"]);
  });

  test("in lines over 64 KB is cut between characters, and nothing of it is lost", () => {
    const spool = open();
    // Three bytes each, so that the limit lies within a character.
    const long = "\u20ac".repeat(LINE_BYTES_MAX);
    write(`before\n${long}\nafter\n`);
    pumpAll(spool);
    expect(lines()[0]).toBe("before");
    expect(lines().at(-1)).toBe("after");
    const cut = entries().slice(1, -1);
    expect(cut.map(({ line }) => line).join("")).toBe(long);
    expect(cut.map(({ part }) => part ?? false)).toEqual([true, true, true, false]);
    expect(cut.every(({ line }) => Buffer.byteLength(line) <= LINE_BYTES_MAX)).toBe(true);
  });

  test("without any line break does not pile up in memory", () => {
    const spool = open();
    write("x".repeat(LINE_BYTES_MAX * 3 + 10));
    pumpAll(spool);
    expect(entries()).toHaveLength(3);
    spool.finish();
    expect(lines().join("")).toBe("x".repeat(LINE_BYTES_MAX * 3 + 10));
  });

  test("is taken over once, whoever reads on", () => {
    const first = open();
    write("one\ntwo\nthr");
    pumpAll(first);
    const second = open();
    write("ee\n");
    pumpAll(second);
    expect(lines()).toEqual(["one", "two", "three"]);
  });
});

test("the space of what was taken over is given back while the program goes on writing", { timeout: 60_000 }, async () => {
  const spool = open();
  const page = `${"x".repeat(1023)}\n`.repeat(1024);
  for (let count = 0; count < 20; count++) {
    write(page);
    pumpAll(spool);
  }
  const bytesOnDisk = () => statSync(spoolFile()).blocks * 512;
  await until(() => {
    write("more\n");
    pumpAll(spool);
    return bytesOnDisk() < 12 * 1024 * 1024;
  });
  // On systems without holes the file is emptied instead.
  if (process.platform === "linux") expect(statSync(spoolFile()).size).toBeGreaterThan(20 * 1024 * 1024);
  write("last\n");
  pumpAll(spool);
  expect(lines().at(-1)).toBe("last");
});
