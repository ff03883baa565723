import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { appendLine, explainUnwritable, loadLines, loadText, removeAll, writeWhole } from "../../src/system/files.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "landfall-files-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

it("replaces a file as a whole, readable by its user alone", () => {
  const file = join(folder, "new", "record.json");
  writeWhole(file, "old");
  writeWhole(file, Buffer.from("new"));
  expect(readFileSync(file, "utf8")).toBe("new");
  expect([statSync(file).mode & 0o777, statSync(join(folder, "new")).mode & 0o777]).toEqual([0o600, 0o700]);
  expect(readdirSync(join(folder, "new"))).toEqual(["record.json"]);
});

it("leaves out a last line that a crash cut short", () => {
  const file = join(folder, "events.jsonl");
  appendLine(file, '{"a":1}');
  appendLine(file, '{"a":2}');
  writeFileSync(file, '{"a":', { flag: "a" });
  expect(loadLines(file)).toEqual([{ a: 1 }, { a: 2 }]);
  expect(loadText(join(folder, "none"))).toBeUndefined();
});

it.each([
  ["writeWhole", (path: string) => writeWhole(path, "x")],
  ["appendLine", (path: string) => appendLine(path, "x")],
])("%s below something that is no folder says which and what to do", (_, act) => {
  writeFileSync(join(folder, "file"), "");
  const path = join(folder, "file", "record.json");
  expect(() => act(path)).toThrow(
    expect.objectContaining({
      code: "STATE_UNWRITABLE",
      exitCode: 1,
      parts: expect.objectContaining({
        what: `the state in "${path}" could not be written`,
        where: path,
        why: expect.stringMatching(/^(ENOTDIR|EEXIST): /),
        standing: "What runs goes on running; this step was not done.",
      }),
    }),
  );
});

describe("explainUnwritable", () => {
  const failing = (code: string, path?: string) =>
    explainUnwritable("/state", () => Promise.reject(Object.assign(new Error(`${code}: no`), { code, path })));

  it("explains what the disk refused in the folder", async () => {
    await expect(failing("EACCES", "/state/a")).rejects.toMatchObject({
      code: "STATE_UNWRITABLE",
      message: 'the state in "/state/a" could not be written',
    });
    await expect(failing("ENOSPC")).rejects.toMatchObject({
      code: "STATE_UNWRITABLE",
      message: 'the disk has no room for the state in "/state"',
      parts: { next: "make room on that disk (df -h shows how full it is), then run the command again" },
    });
  });

  it("leaves alone what has another cause", async () => {
    await expect(failing("EACCES", "/home/app/secret.txt")).rejects.toThrow("EACCES: no");
    await expect(failing("ENOENT", "/state/a")).rejects.toThrow("ENOENT: no");
    expect(await explainUnwritable("/state", async () => 7)).toBe(7);
  });
});

it("removes what is there, and takes no offence at what is not", () => {
  writeWhole(join(folder, "a", "b"), "");
  removeAll(join(folder, "a"));
  removeAll(join(folder, "a"));
  expect(readdirSync(folder)).toEqual([]);
});
