import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AccessLog } from "../../../../src/targets/local/balancer/access-log.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "landfall-log-"));
  file = join(folder, "access.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const all = () =>
  readdirSync(folder)
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"))
    .map(Number)
    .sort((a, b) => a - b);

test("begins a new file when one is full, and keeps the last three full ones", async () => {
  const log = new AccessLog(file, 10);
  for (let line = 1; line <= 6; line++) {
    log.add(String(line).repeat(10));
    await log.flush();
  }
  await log.close();
  expect(readdirSync(folder).sort()).toEqual(["access.jsonl", "access.jsonl.1", "access.jsonl.2", "access.jsonl.3"]);
  const text = (name: string) => readFileSync(join(folder, name), "utf8");
  expect(text("access.jsonl")).toBe("6666666666\n");
  expect(text("access.jsonl.3")).toBe("3333333333\n");
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("writes every line once, in order, also when lines come faster than they are written", async () => {
  const log = new AccessLog(file, 300_000);
  const lines = Array.from({ length: 60_000 }, (_, line) => line + 1);
  for (const line of lines) log.add(String(line));
  await log.close();
  expect(all()).toEqual(lines);
});

test("counts what was in the file before it was opened", async () => {
  const first = new AccessLog(file, 10);
  first.add("1234567890");
  await first.close();
  const second = new AccessLog(file, 10);
  second.add("2");
  await second.close();
  expect(readFileSync(`${file}.1`, "utf8")).toBe("1234567890\n");
});

test("goes on without lines while they cannot be written", async () => {
  const log = new AccessLog(join(folder, "absent", "access.jsonl"));
  log.add("lost");
  await log.close();
  expect(existsSync(join(folder, "absent"))).toBe(false);
});

test("finds out within a second that somebody moved the file away", async () => {
  const log = new AccessLog(file);
  log.add("1");
  await log.flush();
  renameSync(file, `${file}.moved`);
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  log.add("2");
  await log.close();
  expect(readFileSync(file, "utf8")).toBe("2\n");
});
