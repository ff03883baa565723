// Writes the generated pages of docs/ from dist/; with --check only says whether they are up to date.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);
const built = new URL("dist/config/reference.js", root);
if (!existsSync(built)) {
  console.error("dist/ is not built: run  npm run build");
  process.exit(1);
}
const { describeConfiguration, describeErrorCodes } = await import(built.href);
const { describeCommands } = await import(new URL("dist/cli/reference.js", root).href);
const pages = {
  "docs/configuration.md": describeConfiguration(),
  "docs/commands.md": await describeCommands(),
  "docs/errors.md": describeErrorCodes(),
};

const stale = Object.keys(pages).filter((page) => {
  const file = fileURLToPath(new URL(page, root));
  return !existsSync(file) || readFileSync(file, "utf8") !== pages[page];
});
if (process.argv.includes("--check")) {
  for (const page of stale) console.error(`${page} differs from the source: run  npm run docs`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const page of stale) writeFileSync(new URL(page, root), pages[page]);
  console.log(stale.length > 0 ? `written: ${stale.join(", ")}` : "up to date");
}
