// `npm pack` and `npm publish` in a checkout: what is packed is what is built from today's sources, and nothing else.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildIfOlder, root } from "./install.mjs";

if (!existsSync(join(root, "node_modules", "typescript"))) {
  console.error("error: Landfall cannot be packed before it is built, and what builds it is not installed here. First run:  npm ci");
  process.exit(1);
}
removeStale();
buildIfOlder({ strict: true });
// Loaded only here, since the bundler is among what may not be installed.
const { bundleCommandLine, bundleSdk } = await import("./bundle.mjs");
await bundleCommandLine();
await bundleSdk();

/** Built files whose source is gone. The others stay: environments may run from this checkout. */
function removeStale() {
  const dist = join(root, "dist");
  const built = existsSync(dist) ? readdirSync(dist, { recursive: true, encoding: "utf8" }) : [];
  const source = (name) => join(root, "src", name.replace(/(\.d\.ts|\.js\.map|\.js)$/, ".ts"));
  for (const name of built) if (/\.(js|map|ts)$/.test(name) && !existsSync(source(name))) rmSync(join(dist, name));
}
