// The built files of public/, all in memory: there are a handful, and the release folder never changes.
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { answer } from "./requests.js";

const TYPES = /** @type {Record<string, string>} */ ({
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
});
const folder = new URL("../public/", import.meta.url);

/** Asset name → hashed name. @type {Record<string, string>} */
export const assets = JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8"));
const files = new Map(Object.values(assets).map((name) => [name, readFileSync(new URL(name, folder))]));

/**
 * @param {import("node:http").ServerResponse} response
 * @param {string} name
 */
export function answerAsset(response, name) {
  const content = files.get(name);
  // A page of the release before may still ask for its own files; it must not keep a "not found" for ever.
  if (!content) return answer(response, 404, "There is no such file.\n", { "cache-control": "no-store" });
  answer(response, 200, content, {
    "content-type": TYPES[extname(name)] ?? "application/octet-stream",
    "cache-control": "public, max-age=31536000, immutable",
  });
}
