import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LandfallError } from "../../../src/error.ts";
import { type Places, placesOf } from "../../../src/targets/local/places.ts";
import { openSecrets } from "../../../src/targets/local/secrets.ts";

let home: string;
let places: Places;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "landfall-secrets-"));
  places = placesOf(home, "guestbook", "staging");
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
    openSecrets(places).set("SESSION_KEY", "pässword\n with a line break");
    openSecrets(places).set("EMPTY", "");
    expect(openSecrets(places).reveal("SESSION_KEY")).toBe("pässword\n with a line break");
    expect(openSecrets(places).reveal("EMPTY")).toBe("");
  });

  it("lists names and times, never values or internal names", () => {
    const secrets = openSecrets(places);
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
    const secrets = openSecrets(places);
    secrets.set("TOKEN", "a-very-plain-text");
    secrets.set("TOKEN", "another-plain-text");
    expect([modeOf(places.secrets), modeOf(places.secretsKey), modeOf(places.environment)]).toEqual([0o600, 0o600, 0o700]);
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
    const secrets = openSecrets(places);
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

  it("names the command that sets a missing secret", () => {
    expect(partsOf(() => openSecrets(places).reveal("SESSION_KEY"))).toEqual({
      code: "SECRET_MISSING",
      what: 'the secret "SESSION_KEY" is not set in the environment "staging"',
      standing: "Nothing was changed.",
      next: "landfall secrets set staging SESSION_KEY",
    });
  });

  it.each([
    ["open to other users", () => chmodSync(places.secretsKey, 0o640), "Its mode is 640; 600 is required."],
    ["missing", () => rmSync(places.secretsKey), "Values sealed with it: 1."],
    ["damaged", () => writeFileSync(places.secretsKey, "c2hvcnQ=\n"), "It should hold 32 bytes in base64."],
    ["holds another key", () => writeFileSync(places.secretsKey, `${Buffer.alloc(32, 7).toString("base64")}\n`), "The secrets were sealed with key "],
  ])("refuses a key that is %s, for reading and for writing", (words, harm, why) => {
    const secrets = openSecrets(places);
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
    const secrets = openSecrets(places);
    secrets.set("ADMIN", "1");
    secrets.set("GUEST", "2");
    const store = JSON.parse(readFileSync(places.secrets, "utf8"));
    store.secrets.ADMIN = store.secrets.GUEST;
    writeFileSync(places.secrets, JSON.stringify(store));
    expect(partsOf(() => secrets.reveal("ADMIN")).what).toContain('the secret "ADMIN" does not open');
    expect(secrets.reveal("GUEST")).toBe("2");
  });

  it("loses nothing when several processes set at once", async () => {
    const module = new URL("../../../dist/targets/local/secrets.js", import.meta.url).href;
    const script = `const { openSecrets } = await import(${JSON.stringify(module)});
      const secrets = openSecrets(JSON.parse(process.argv[1]));
      for (let i = 0; i < 20; i++) secrets.set("S_" + process.argv[2] + "_" + i, String(i));`;
    const ends = [0, 1, 2, 3].map((writer) =>
      once(spawn(process.execPath, ["--input-type=module", "-e", script, JSON.stringify(places), String(writer)], { stdio: "inherit" }), "exit"),
    );
    expect((await Promise.all(ends)).map(([code]) => code)).toEqual([0, 0, 0, 0]);
    const secrets = openSecrets(places);
    expect(secrets.list()).toHaveLength(80);
    expect(secrets.reveal("S_3_19")).toBe("19");
  });
});
