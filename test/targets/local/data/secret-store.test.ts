import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LandfallError } from "../../../../src/error.ts";
import { writeState } from "../../../../src/system/state-file.ts";
import { hiderOf, openSecrets } from "../../../../src/targets/local/data/secret-store.ts";
import { type Paths, pathsOf } from "../../../../src/targets/local/paths.ts";

let home: string;
let paths: Paths;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "landfall-secrets-"));
  paths = pathsOf(home, "guestbook", "staging");
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function partsOf(act: () => unknown) {
  try {
    act();
  } catch (error) {
    if (error instanceof LandfallError) return error.parts;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const modeOf = (file: string) => statSync(file).mode & 0o777;

describe("secrets", () => {
  it("gives back what was set, in another opening too", () => {
    openSecrets(paths).set("SESSION_KEY", "pässword\n with a line break");
    openSecrets(paths).set("EMPTY", "");
    expect(openSecrets(paths).reveal("SESSION_KEY")).toBe("pässword\n with a line break");
    expect(openSecrets(paths).reveal("EMPTY")).toBe("");
  });

  it("lists names and times, never values or internal names", () => {
    const secrets = openSecrets(paths);
    const before = Date.now();
    secrets.set("B", "two");
    secrets.set("A", "one");
    secrets.set("resource/database/url", "postgres://x");
    expect(secrets.list().map(({ name }) => name)).toEqual(["A", "B"]);
    expect(Object.keys(secrets.list()[0] ?? {})).toEqual(["name", "setAt"]);
    expect(secrets.list()[0]?.setAt).toBeGreaterThanOrEqual(before);
    expect(secrets.has("resource/database/url")).toBe(true);
    expect(secrets.has("constructor")).toBe(false);
  });

  it("keeps its files from other users and plain text out of them", () => {
    const secrets = openSecrets(paths);
    secrets.set("TOKEN", "a-very-plain-text");
    secrets.set("TOKEN", "another-plain-text");
    expect([modeOf(paths.secrets), modeOf(paths.secretsKey), modeOf(paths.environment)]).toEqual([0o600, 0o600, 0o700]);
    const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files.length).toBeGreaterThanOrEqual(2);
    for (const file of files) {
      const text = readFileSync(join(file.parentPath, file.name), "latin1");
      for (const value of ["a-very-plain-text", "another-plain-text"]) {
        expect(text).not.toContain(value);
        expect(text).not.toContain(Buffer.from(value).toString("base64").slice(0, 20));
      }
    }
  });

  it("changes its revision with users' secrets only", () => {
    const secrets = openSecrets(paths);
    const seen = [secrets.revision()];
    secrets.set("A", "1");
    seen.push(secrets.revision());
    secrets.set("A", "1");
    seen.push(secrets.revision());
    secrets.remove("A");
    seen.push(secrets.revision());
    expect(new Set(seen).size).toBe(4);
    secrets.set("resource/x/url", "1");
    secrets.remove("resource/x/url");
    secrets.remove("NEVER_SET");
    expect(secrets.revision()).toBe(seen[3]);
  });

  it("gives a release what it was given, whatever is set, removed and given to others since", () => {
    const secrets = openSecrets(paths);
    secrets.setAll({ KEY: "one", OTHER: "same" });
    const revision = secrets.revision();
    secrets.seal("a1", ["KEY", "OTHER"]);
    expect([secrets.revision(), secrets.list().map(({ name }) => name)]).toEqual([revision, ["KEY", "OTHER"]]);
    secrets.set("KEY", "two");
    secrets.seal("b2", ["KEY", "OTHER"]);
    secrets.seal("a1", ["KEY"]);
    secrets.remove("KEY");
    const given = (release: string) => ["KEY", "OTHER"].map((name) => secrets.reveal(secrets.nameFor(release, name)));
    expect([given("a1"), given("b2")]).toEqual([
      ["one", "same"],
      ["two", "same"],
    ]);
    expect(secrets.nameFor("c3", "OTHER")).toBe("OTHER");
    expect([secrets.listDiffering("a1", "b2"), secrets.listDiffering("a1", "c3"), secrets.listDiffering("c3", "a1")]).toEqual([["KEY"], ["KEY"], []]);
    expect(partsOf(() => secrets.seal("c3", ["KEY"])).code).toBe("SECRET_MISSING");
    expect(secrets.setAll({ KEY: "three" }, { revoke: true }).sort()).toEqual(["a1", "b2"]);
    expect([given("a1"), given("b2")].map(([key]) => key)).toEqual(["three", "three"]);
    secrets.unseal({ except: ["b2"] });
    expect([secrets.nameFor("a1", "KEY"), secrets.nameFor("b2", "KEY")]).toEqual(["KEY", "release/b2/KEY"]);
  });

  it("names the command that sets a missing secret", () => {
    expect(partsOf(() => openSecrets(paths).reveal("SESSION_KEY"))).toEqual({
      code: "SECRET_MISSING",
      what: 'the secret "SESSION_KEY" is not set in the environment "staging"',
      standing: "Nothing was changed.",
      next: "landfall secrets set staging SESSION_KEY",
    });
  });

  it.each([
    ["open to other users", () => chmodSync(paths.secretsKey, 0o640), "Its mode is 640; 600 is required."],
    ["missing", () => rmSync(paths.secretsKey), "Values sealed with it: 1."],
    ["damaged", () => writeFileSync(paths.secretsKey, "c2hvcnQ=\n"), "It should hold 32 bytes in base64."],
    ["holds another key", () => writeFileSync(paths.secretsKey, `${Buffer.alloc(32, 7).toString("base64")}\n`), "The secrets were sealed with key "],
  ])("refuses a key that is %s, for reading and for writing", (words, harm, why) => {
    const secrets = openSecrets(paths);
    secrets.set("A", "1");
    harm();
    for (const act of [() => secrets.reveal("A"), () => secrets.set("B", "2")]) {
      const parts = partsOf(act);
      expect(parts.code).toBe("SECRETS_KEY_UNSAFE");
      expect(parts.what).toContain(words);
      expect(parts.why).toContain(why);
    }
    expect(secrets.list().map(({ name }) => name)).toEqual(["A"]);
  });

  it("refuses a value that was moved to another name", () => {
    const secrets = openSecrets(paths);
    secrets.set("ADMIN", "1");
    secrets.set("GUEST", "2");
    const { sum: _, ...store } = JSON.parse(readFileSync(paths.secrets, "utf8"));
    store.secrets.ADMIN = store.secrets.GUEST;
    writeState(paths.secrets, store);
    expect(partsOf(() => secrets.reveal("ADMIN")).what).toContain('the secret "ADMIN" does not open');
    expect(secrets.reveal("GUEST")).toBe("2");
  });

  it("loses nothing when several processes set at once", async () => {
    const module = new URL("../../../../dist/targets/local/data/secret-store.js", import.meta.url).href;
    const script = `const { openSecrets } = await import(${JSON.stringify(module)});
      const secrets = openSecrets(JSON.parse(process.argv[1]));
      for (let i = 0; i < 20; i++) secrets.set("S_" + process.argv[2] + "_" + i, String(i));`;
    const ends = [0, 1, 2, 3].map((writer) =>
      once(spawn(process.execPath, ["--input-type=module", "-e", script, JSON.stringify(paths), String(writer)], { stdio: "inherit" }), "exit"),
    );
    expect((await Promise.all(ends)).map(([code]) => code)).toEqual([0, 0, 0, 0]);
    const secrets = openSecrets(paths);
    expect(secrets.list()).toHaveLength(80);
    expect(secrets.reveal("S_3_19")).toBe("19");
  });
});

describe("what hides an environment's secrets", () => {
  it("knows all of them, also those set since, and those that were replaced since", () => {
    const hide = hiderOf(paths);
    expect(hide("first-value and postgres://a:b@c")).toBe("first-value and postgres://a:***@c");
    openSecrets(paths).set("TOKEN", "first-value");
    openSecrets(paths).set("resource/cache/url", "redis://:of-landfall@127.0.0.1:1");
    expect(hide("first-value, of-landfall")).toBe("***, ***");
    openSecrets(paths).set("TOKEN", "second-value");
    expect(hide("first-value, second-value")).toBe("***, ***");
    openSecrets(paths).remove("TOKEN");
    expect(hide("second-value")).toBe("***");
  });

  it("knows those that open when one does not, and fails at none", () => {
    openSecrets(paths).set("A", "first-value");
    openSecrets(paths).set("B", "second-value");
    const { sum: _, ...store } = JSON.parse(readFileSync(paths.secrets, "utf8"));
    store.secrets.A.text = store.secrets.B.text;
    writeState(paths.secrets, store);
    expect(hiderOf(paths)("second-value")).toBe("***");
    chmodSync(paths.secretsKey, 0o644);
    expect(hiderOf(paths)("second-value, redis://:b@c")).toBe("second-value, redis://:***@c");
    writeFileSync(paths.secrets, "{");
    expect(hiderOf(paths)("second-value")).toBe("second-value");
  });
});
