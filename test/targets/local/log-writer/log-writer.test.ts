import { closeSync, mkdtempSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadLines } from "../../../../src/system/files.ts";
import { makePipes, openPipe } from "../../../../src/system/pipes.ts";
import type { LogEntry } from "../../../../src/targets/local/log-writer/log-file.ts";
import { LogWriter } from "../../../../src/targets/local/log-writer/log-writer.ts";
import { until } from "../supervisor/environment.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "landfall-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lines = () => loadLines<LogEntry>(join(folder, "logs", "web.1.jsonl")).flatMap(({ line }) => line ?? []);
const run = (since: number) => ({ id: "web.1", run: 1, since, stdout: join(folder, "stdout"), stderr: join(folder, "stderr") });

/** New pipes of the same names, as after a process that was forgotten and started again: its program holds them open. */
async function begin(): Promise<{ write(text: string): void; end(): void }> {
  rmSync(run(0).stdout, { force: true });
  rmSync(run(0).stderr, { force: true });
  await makePipes([run(0).stdout, run(0).stderr]);
  const handles = [openPipe(run(0).stdout), openPipe(run(0).stderr)];
  return { write: (text) => void writeSync(handles[0] as number, text), end: () => handles.forEach(closeSync) };
}

test("reads a pipe until nobody has it open, beside another that has its name by now", async () => {
  const writer = new LogWriter(join(folder, "logs"));
  const first = await begin();
  writer.follow(run(0));
  first.write("one\ntw");
  expect(writer.conclude(run(0))).toEqual({ lastLines: ["one", "tw"] });
  const since = Date.now() + 1;
  const second = await begin();
  writer.follow(run(since));
  writer.follow(run(since));
  await until(() => Date.now() >= since);
  first.write("late\n");
  await until(() => lines().includes("late"));
  second.write("new\n");
  await until(() => lines().includes("new"));
  first.end();
  expect(writer.conclude(run(since)).lastLines.at(-1)).toBe("new");
  second.write("unended");
  const open = readdirSync("/proc/self/fd").length;
  second.end();
  await until(() => lines().includes("unended"));
  expect(lines()).toEqual(["one", "tw", "late", "new", "unended"]);
  // The ends of both, and with them the log.
  await until(() => readdirSync("/proc/self/fd").length <= open - 5);
});
