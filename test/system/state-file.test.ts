// State files that a disk has cut short or changed anywhere: what was written is read, or the damage is named. Never another value, never another error.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { LandfallError } from "../../src/error.ts";
import { copyOf, loadState, loadStateIfWhole, removeState, writeState } from "../../src/system/state-file.ts";

const folder = mkdtempSync(join(tmpdir(), "landfall-state-"));
const file = join(folder, "state.json");
const state = { file, lost: "which release serves", next: "landfall commission local" };
const VALUE = {
  release: "7f3c2a",
  fleet: { web: 2, "10": 1, "2": 3 },
  names: ["a", "é🎉", "__proto__"],
  none: undefined,
  deep: [{ x: null, y: 1.5 }],
};
/** As JSON has it. */
const READ = JSON.parse(JSON.stringify(VALUE));

const load = () => {
  try {
    return loadState<object>(state);
  } catch (error) {
    if (error instanceof LandfallError && error.code === "STATE_DAMAGED") return "damaged";
    throw error;
  }
};

const damage = fc.oneof(
  fc.record({ cut: fc.nat(1000) }),
  fc.record({ at: fc.nat(1000), bit: fc.nat(7) }),
  fc.record({ at: fc.nat(1000), zeros: fc.nat(100) }),
  fc.record({ text: fc.oneof(fc.constantFrom("", "null", "[]", "{}", "0", '"x"', '{"sum":null}', "{"), fc.json()) }),
);
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function harm(bytes: Buffer, what: Damage): Buffer {
  if ("text" in what) return Buffer.from(what.text);
  if ("cut" in what) return bytes.subarray(0, what.cut % bytes.length);
  const at = what.at % bytes.length;
  const harmed = Buffer.from(bytes);
  if ("zeros" in what) harmed.fill(0, at, Math.min(at + what.zeros, harmed.length));
  else harmed[at] = (harmed[at] ?? 0) ^ (1 << what.bit);
  return harmed;
}

beforeEach(() => {
  removeState(file);
  writeState(file, VALUE);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a file of the state", () => {
  it("is read as it was written, and is none where there is none", () => {
    expect(load()).toEqual(READ);
    removeState(file);
    expect([load(), existsSync(copyOf(file))]).toEqual([undefined, false]);
  });

  it("is taken from its copy where it is damaged", () => {
    const whole = readFileSync(file);
    fc.assert(
      fc.property(damage, (what) => {
        writeFileSync(file, harm(whole, what));
        expect(load()).toEqual(READ);
      }),
      { numRuns: 300 },
    );
  });

  it("is named with what is lost and how to go on, where its copy is damaged too", () => {
    const whole = readFileSync(file);
    fc.assert(
      fc.property(damage, (what) => {
        for (const path of [file, copyOf(file)]) writeFileSync(path, harm(whole, what));
        const seen = load();
        // A flipped bit may leave what JSON reads as the same, in the white space for one.
        if (seen !== "damaged") expect(seen).toEqual(READ);
        expect(seen === "damaged" ? undefined : seen).toEqual(loadStateIfWhole(file));
      }),
      { numRuns: 300 },
    );
    for (const path of [file, copyOf(file)]) writeFileSync(path, "{");
    expect(() => loadState(state)).toThrow(
      expect.objectContaining({
        parts: expect.objectContaining({
          code: "STATE_DAMAGED",
          where: file,
          why: expect.stringContaining("lost which release serves"),
          next: state.next,
        }),
      }),
    );
  });

  it("is good without a copy, which a full disk refuses", () => {
    rmSync(copyOf(file));
    expect(load()).toEqual(READ);
  });
});
