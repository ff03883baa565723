import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LogFilter } from "../../../../src/reports.ts";
import { FILE_BYTES_MAX, LogFile, logFilesOf, ROTATIONS_KEPT } from "../../../../src/targets/local/log-writer/log-file.ts";
import { readLogs, removeLogsOfReleases } from "../../../../src/targets/local/log-writer/read-logs.ts";
import { type Paths, pathsOf } from "../../../../src/targets/local/paths.ts";

let home: string;
let paths: Paths;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "landfall-test-"));
  paths = pathsOf(home, "app", "local");
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const fileOf = (id: string) => join(paths.logs, `${id}.jsonl`);

/** Writes lines that say their number; a page of them makes the log begin a new file at the next write. */
class Writer {
  readonly log: LogFile;
  #written = 0;

  constructor(id: string, release = "r1") {
    this.log = new LogFile(fileOf(id), { id, service: id.split(".")[0], release });
  }

  write(count = 1, bytes = 0, at = Date.now()): void {
    for (let line = 0; line < count; line++) {
      const number = ++this.#written;
      this.log.append([{ at, stream: "stdout", line: `${number} ${"x".repeat(bytes)}`, run: 1 }]);
    }
  }

  page(at?: number): void {
    this.write(5, FILE_BYTES_MAX / 5, at);
  }
}

async function read(filter: LogFilter = {}): Promise<string[]> {
  const seen: string[] = [];
  for await (const { id, line } of readLogs(paths, filter)) seen.push(`${id} ${line.split(" ")[0]}`);
  return seen;
}

const numbers = (id: string, from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `${id} ${from + index}`);

describe("a log that was begun anew", () => {
  test("is read as one, whole, by its last lines, by time and by text", async () => {
    const web = new Writer("web.1");
    const early = Date.now() - 60_000;
    web.page(early);
    web.page(early);
    const now = Date.now();
    web.write(3, 0, now);
    expect(logFilesOf(fileOf("web.1"))).toHaveLength(3);
    expect(await read()).toEqual(numbers("web.1", 1, 13));
    expect(await read({ tail: 5 })).toEqual(numbers("web.1", 9, 13));
    expect(await read({ since: new Date(now) })).toEqual(numbers("web.1", 11, 13));
    expect(await read({ grep: /^(2|12) /g })).toEqual(["web.1 2", "web.1 12"]);
  });

  test("keeps a fixed number of files, the newest", async () => {
    const web = new Writer("web.1");
    for (let page = 0; page < ROTATIONS_KEPT + 3; page++) web.page();
    web.write();
    expect(logFilesOf(fileOf("web.1")).map((file) => file.split(".jsonl")[1])).toEqual([".4", ".5", ".6", ".7", ".8", ""]);
    expect(await read()).toEqual(numbers("web.1", 16, 41));
  });

  test("is followed from file to file, also when more than one passed between two looks", async () => {
    const web = new Writer("web.1");
    web.write(2);
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const { line } of readLogs(paths, { follow: true, tail: 1, signal: stop.signal })) {
      seen.push(line.split(" ")[0] ?? "");
      if (seen.length === 1) {
        web.page();
        web.page();
        web.write();
      }
      if (seen.length === 12) stop.abort();
    }
    expect(seen).toEqual(Array.from({ length: 12 }, (_, index) => String(index + 2)));
  });

  test("goes on after a crash between the two steps of it, and is still read once", async () => {
    const web = new Writer("web.1");
    web.page();
    web.log.close();
    // The old file has its second name; the new one has not taken its place.
    const { linkSync } = await import("node:fs");
    linkSync(fileOf("web.1"), `${fileOf("web.1")}.1`);
    writeFileSync(`${fileOf("web.1")}.next`, "half a ma");
    const after = new Writer("web.1");
    expect(await read()).toEqual(numbers("web.1", 1, 5));
    after.write(2);
    expect(await read()).toEqual([...numbers("web.1", 1, 5), ...numbers("web.1", 1, 2)]);
    expect(readdirSync(paths.logs).sort()).toEqual(["web.1.jsonl", "web.1.jsonl.1"]);
  });
});

test("what a power cut left of a line is passed over", async () => {
  const web = new Writer("web.1");
  web.write(2);
  web.log.close();
  appendFileSync(fileOf("web.1"), `${"\0".repeat(100)}\n{"at":1,"li`);
  const after = new LogFile(fileOf("web.1"), { id: "web.1" });
  expect(after.loadLast().map(({ line }) => line)).toEqual(["1 ", "2 "]);
  after.append([{ at: 3, stream: "stdout", line: "3 ", run: 2 }]);
  expect(await read()).toEqual(numbers("web.1", 1, 3));
});

test("lines of several processes come in the order of their times", async () => {
  const web = new Writer("web.1");
  const worker = new Writer("worker.1");
  web.write(1, 0, 1_000);
  worker.write(1, 0, 2_000);
  web.write(1, 0, 3_000);
  expect(await read()).toEqual(["web.1 1", "worker.1 1", "web.1 2"]);
  expect(await read({ service: "worker" })).toEqual(["worker.1 1"]);
  expect(await read({ instance: "web" })).toEqual(["web.1 1", "web.1 2"]);
});

describe("reading where nothing has been written", () => {
  test("finds nothing and makes nothing", async () => {
    expect(await read()).toEqual([]);
    expect(existsSync(paths.logs)).toBe(false);
  });

  test("and following it gives what comes", async () => {
    const stop = new AbortController();
    const lines = readLogs(paths, { follow: true, signal: stop.signal });
    const first = lines.next();
    new Writer("web.1").write();
    expect((await first).value).toMatchObject({ id: "web.1" });
    stop.abort();
    expect((await lines.next()).done).toBe(true);
  });
});

test("the logs of removed releases go, with their older files; what belongs to no release stays", () => {
  const old = new Writer("web.1.old", "old");
  old.page();
  old.write();
  new Writer("web.1.kept", "kept").write();
  new LogFile(fileOf("balancer"), { id: "balancer" }).append([{ at: 1, stream: "stdout", line: "", run: 1 }]);
  removeLogsOfReleases(paths, { except: ["kept"] });
  expect(readdirSync(paths.logs).sort()).toEqual(["balancer.jsonl", "web.1.kept.jsonl"]);
  // One that still writes there, with its last words, must not trip over it.
  old.page();
  old.page();
  expect(readFileSync(fileOf("web.1.old"), "utf8")).toContain('"line"');
});

describe("a line that was written in parts", () => {
  const entry = (line: string, more: object = {}) => ({ at: 1, stream: "stdout" as const, run: 1, line, ...more });
  const linesOf = async (...entries: ReturnType<typeof entry>[]) => {
    new LogFile(fileOf("web.1"), { id: "web.1" }).append(entries);
    const lines: string[] = [];
    for await (const { line, part, stream } of readLogs(paths)) lines.push([stream, line, ...(part ? ["part"] : [])].join(" "));
    return lines;
  };

  test("is one line, whatever the other stream writes meanwhile", async () => {
    const parts = [entry("a", { part: true }), entry("x", { stream: "stderr" }), entry("b", { part: true }), entry("c"), entry("d")];
    expect(await linesOf(...parts)).toEqual(["stderr x", "stdout abc", "stdout d"]);
  });

  test("is marked when its end is not there: it was cut off, lines were lost, or it is still being written", async () => {
    const parts = [entry("a", { part: true }), entry("of the next run", { run: 2 }), entry("b", { part: true, run: 2 })];
    const lost = entry("3 lines are missing", { run: 2, lost: 3 });
    expect(await linesOf(...parts, lost, entry("c", { part: true, run: 2 }))).toEqual([
      "stdout a part",
      "stdout of the next run",
      "stdout b part",
      "stdout 3 lines are missing",
      "stdout c part",
    ]);
  });
});
