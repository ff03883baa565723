// Trees of hostile names, made in git by hand: a release of one is refused by name, or holds the same files whether it is copied here or packed for a
// machine and unpacked there by tar.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, it } from "vitest";
import { LandfallError } from "../../src/error.ts";
import { packSource } from "../../src/release/pack.ts";
import { loadSource } from "../../src/release/source.ts";
import { writeFiles } from "../../src/targets/write-files.ts";
import { git, makeFolder } from "./repository.ts";

interface Member {
  name: Buffer[];
  mode: "100644" | "100755" | "120000";
  content: Buffer;
}

const ODD = [
  "-rf",
  "--to-command=sh",
  "a\nb",
  " ",
  "*",
  "\\",
  "\\n",
  "a\\",
  '"',
  "$(id)",
  "\u202e",
  "é",
  "e\u0301",
  "🎉",
  "..",
  ".",
  "...",
  "CON",
  ".git",
  "pax",
];
const ODD_BYTES = [Buffer.from([0xff]), Buffer.from([0x61, 0x80]), Buffer.from([0x01, 0x7f])];
const part = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...ODD).map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.constantFrom(...ODD_BYTES) },
  { weight: 3, arbitrary: fc.integer({ min: 90, max: 270 }).map((length) => Buffer.alloc(length, "n")) },
  { weight: 6, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).map((text) => Buffer.from(text)) },
);
const isName = (bytes: Buffer) => bytes.length > 0 && !bytes.includes(0) && !bytes.includes("/");
const name = fc.array(part.filter(isName), { minLength: 1, maxLength: 3 });
const target = fc.oneof(
  fc.constantFrom("", "/etc/passwd", "../../..", "-x", "a\nb", "n".repeat(300)).map((text) => Buffer.from(text)),
  fc.constantFrom(...ODD_BYTES),
);
const member: fc.Arbitrary<Member> = fc.oneof(
  fc.record({ name, mode: fc.constantFrom("100644" as const, "100755" as const), content: fc.uint8Array({ maxLength: 2_000 }).map(Buffer.from) }),
  fc.record({ name, mode: fc.constant("120000" as const), content: target }),
);

/** Written as git keeps them: `git add` would refuse some of these. Undefined where they are no tree, as when a file is a folder as well. */
function commit(folder: string, members: Member[]): boolean {
  const put = (input: Buffer, ...args: string[]) => execFileSync("git", args, { cwd: folder, input }).toString().trim();
  const tree = new Map<string, string | Map<string, unknown>>();
  for (const { name, mode, content } of members) {
    const object = put(content, "hash-object", "-w", "--stdin");
    let at = tree as Map<string, unknown>;
    for (const [index, bytes] of name.entries()) {
      const key = bytes.toString("latin1");
      if (index === name.length - 1) {
        if (at.has(key)) return false;
        at.set(key, `${mode} blob ${object}`);
      } else {
        if (typeof at.get(key) === "string") return false;
        if (!at.has(key)) at.set(key, new Map());
        at = at.get(key) as Map<string, unknown>;
      }
    }
  }
  const write = (entries: Map<string, unknown>): string => {
    const lines = [...entries].map(
      ([key, value]) => `${typeof value === "string" ? value : `040000 tree ${write(value as Map<string, unknown>)}`}\t${key}\0`,
    );
    return put(Buffer.from(lines.join(""), "latin1"), "mktree", "-z");
  };
  git(folder, "update-ref", "HEAD", git(folder, "commit-tree", "-m", "members", write(tree)));
  return true;
}

async function pack(folder: string) {
  const source = await loadSource({ folder, ref: "HEAD", dirty: false });
  return { source, bytes: await buffer(packSource(source)) };
}

function list(folder: string, below = Buffer.alloc(0)): string[] {
  const at = Buffer.concat([Buffer.from(`${folder}/`), below]);
  return readdirSync(at, { withFileTypes: true, encoding: "buffer" })
    .flatMap((entry) => {
      const path = Buffer.concat([below, entry.name]);
      const place = Buffer.concat([Buffer.from(`${folder}/`), path]);
      if (entry.isDirectory()) return list(folder, Buffer.concat([path, Buffer.from("/")]));
      if (entry.isSymbolicLink()) return [`${path.toString("latin1")} -> ${readlinkSync(place, { encoding: "buffer" }).toString("latin1")}`];
      return [`${path.toString("latin1")} ${statSync(place).mode & 0o111 ? "x" : "-"} ${readFileSync(place).toString("latin1")}`];
    })
    .sort();
}

it("holds whatever git can, copied and packed alike, or refuses it by name", { timeout: 300_000 }, async () => {
  let held = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 3 }), async (members) => {
      const folder = makeFolder();
      const [repository, copied, unpacked] = ["repository", "copied", "unpacked"].map((one) => join(folder, one)) as [string, string, string];
      for (const one of [repository, copied, unpacked]) mkdirSync(one);
      git(repository, "init", "-q");
      if (!commit(repository, members)) return;
      const packed = await pack(repository).catch((error) => error);
      if (packed instanceof LandfallError) {
        expect(packed.code).toBe("SOURCE_FILE_UNSUPPORTED");
        return;
      }
      const { source, bytes } = packed;
      await writeFiles(copied, source.files);
      writeFileSync(join(folder, "source.tar.gz"), bytes);
      const tar = spawnSync("tar", ["-xzf", join(folder, "source.tar.gz"), "-C", unpacked, "--no-same-owner", "--no-same-permissions"], {
        encoding: "utf8",
      });
      expect(tar).toMatchObject({ status: 0, stderr: "" });
      const expected = members.map(({ name, mode, content }) => {
        const path = name.map((bytes) => bytes.toString("latin1")).join("/");
        const kept = content.toString("latin1");
        return mode === "120000" ? `${path} -> ${kept}` : `${path} ${mode === "100755" ? "x" : "-"} ${kept}`;
      });
      expect(list(copied)).toEqual(expected.sort());
      expect(list(unpacked)).toEqual(expected.sort());
      expect(readdirSync(folder).sort()).toEqual(["copied", "repository", "source.tar.gz", "unpacked"]);
      held += 1;
    }),
    { numRuns: Number(process.env.LANDFALL_RUNS ?? 60), seed: Number(process.env.LANDFALL_SEED ?? 20_261) },
  );
  expect(held).toBeGreaterThan(15);
});
