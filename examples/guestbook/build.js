// Copies assets/ to public/ under names that hold a hash of the content, so that browsers may keep them for ever.
// Runs once per release; a release folder is read-only afterwards.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, extname } from "node:path";

const from = new URL("./assets/", import.meta.url);
const to = new URL("./public/", import.meta.url);
await mkdir(to, { recursive: true });

/** @type {Record<string, string>} */
const manifest = {};
for (const name of (await readdir(from)).sort()) {
  const content = await readFile(new URL(name, from));
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 10);
  const hashed = `${basename(name, extname(name))}.${hash}${extname(name)}`;
  await writeFile(new URL(hashed, to), content);
  manifest[name] = hashed;
}
await writeFile(new URL("manifest.json", to), `${JSON.stringify(manifest, null, 2)}\n`);
console.log(`built ${Object.keys(manifest).length} assets`);
