// What of an app's releases and images is in use, from what is written in all of its environments.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { beginOperation, type Operation } from "../../../../src/state/journal.ts";
import { systemClock } from "../../../../src/system/clock.ts";
import { tryFileLock } from "../../../../src/system/file-lock.ts";
import { appendLine, writeWhole } from "../../../../src/system/files.ts";
import { writeState } from "../../../../src/system/state-file.ts";
import type { Context } from "../../../../src/targets/local/context.ts";
import { pathsOf } from "../../../../src/targets/local/paths.ts";
import { listImages } from "../../../../src/targets/local/releases/images.ts";
import { listReleases } from "../../../../src/targets/local/releases/release-store.ts";
import { aloneOnShared, holdShared, removeUnused } from "../../../../src/targets/local/releases/shared.ts";
import { makeFolder } from "../../../release/repository.ts";

/** An app with releases a0 to a9, each of an image of its own: 0a to 9a. The image "ff" is of none. */
function makeApp() {
  const home = makeFolder();
  const one = pathsOf(home, "shop", "one");
  const two = pathsOf(home, "shop", "two");
  const notes: string[] = [];
  const context = { paths: two, clock: systemClock, emit: (event) => notes.push("text" in event ? event.text : "") } as Partial<Context> as Context;
  for (let n = 0; n < 10; n++) {
    for (const folder of [join(one.releases, `a${n}`), join(one.images, `${n}a`)]) mkdirSync(folder, { recursive: true });
    writeState(join(one.images, `${n}a.json`), {});
    writeState(join(one.releases, `a${n}.json`), { id: `a${n}`, recipeHash: `${n}a`, createdAt: n });
  }
  mkdirSync(join(one.images, "ff"));
  writeState(join(one.images, "ff.json"), {});
  mkdirSync(two.environment, { recursive: true });
  /** The releases that are left; their images are too, and no others. */
  const left = async (waysBack?: number) => {
    await removeUnused(context, waysBack);
    const releases = listReleases(one).map(({ id }) => id);
    expect(listImages(one).filter((image) => image !== "ff")).toEqual(releases.map((id) => `${id[1]}a`).sort());
    return releases.sort();
  };
  const begin = (name: Operation["name"], input: Record<string, unknown>) =>
    beginOperation({ file: one.journal, clock: systemClock, guard: () => {} }, name, input);
  return { one, two, context, notes, left, begin };
}

describe("a release stays while an environment", () => {
  it("serves it, or could go back to it", async () => {
    const { one, left } = makeApp();
    writeState(one.record, { release: "a7", previous: "a6", rolledOut: ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"] });
    expect(await left()).toEqual(["a3", "a4", "a5", "a6", "a7"]);
    writeState(one.record, { release: "a7", previous: "a3", rolledOut: ["a3", "a7"] });
    expect(await left()).toEqual(["a3", "a7"]);
    expect(await left(0)).toEqual(["a3", "a7"]);
    writeState(one.record, { release: "a7", rolledOut: ["a3", "a7"] });
    expect(await left(0)).toEqual(["a7"]);
  });

  it("has an unfinished operation for it, or undoes one", async () => {
    const { one, context, left, begin } = makeApp();
    const journal = begin("deploy", {});
    await holdShared({ ...context, paths: one }, journal, { release: "a1", image: "ff" });
    expect(await left()).toEqual(["a1"]);
    expect(listImages(one)).toContain("ff");
    begin("abort", { of: journal.operation });
    expect(await left()).toEqual(["a1"]);
    begin("rollback", { release: "a1" });
    expect(await left()).toEqual(["a1"]);
    expect(listImages(one)).not.toContain("ff");
    begin("contract", { release: "a1" }).end("done");
    expect(await left()).toEqual([]);
  });

  it("runs something of it, also when that is not in the file of all processes yet", async () => {
    const { one, left } = makeApp();
    const kept = (release: string, state: string) => ({ spec: { id: release, release }, state });
    writeState(join(one.supervisor, "processes.json"), { records: [kept("a1", "running"), kept("a2", "exited"), kept("a3", "scheduled")] });
    appendLine(join(one.supervisor, "processes.changes.jsonl"), JSON.stringify({ id: "a4", record: kept("a4", "restarting") }));
    appendLine(join(one.supervisor, "processes.changes.jsonl"), JSON.stringify({ id: "a1" }));
    expect(await left()).toEqual(["a1", "a3", "a4"]);
  });

  it.each(["environment.json", "supervisor/processes.json"])("has a %s that cannot be read", async (name) => {
    const { one, notes, left } = makeApp();
    const file = join(one.environment, name);
    writeWhole(file, "{");
    expect(await left()).toHaveLength(10);
    expect(notes).toEqual([expect.stringContaining(`the file "${file}" is damaged`)]);
  });
});

describe("what is shared", () => {
  it("is looked through by one process at a time; the others say for whom they wait, until they are interrupted", async () => {
    const { one, context, notes } = makeApp();
    const lock = tryFileLock(one.sharing);
    lock?.note(4711);
    const stop = new AbortController();
    const waiting = aloneOnShared({ ...context, signal: stop.signal }, () => "began").catch((error) => error.code);
    const patient = aloneOnShared(context, () => "began");
    stop.abort();
    expect(await waiting).toBe("INTERRUPTED");
    lock?.release();
    expect(await patient).toBe("began");
    expect(notes).toEqual(Array(2).fill("waiting for process 4711, which looks through the releases"));
  });

  it("makes no folder where no environment ever stood", async () => {
    const { context } = makeApp();
    const paths = pathsOf(makeFolder(), "shop", "one");
    await removeUnused({ ...context, paths });
    expect(() => listReleases(paths)).not.toThrow();
    expect(listImages(paths)).toEqual([]);
  });
});
