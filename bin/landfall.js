#!/usr/bin/env node
// Starts the command line. Node from 22 on keeps compiled modules on disk, which makes the second start faster.
import { existsSync } from "node:fs";
import module from "node:module";

module.enableCompileCache?.();
const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(main)) {
  const { runCommandLine } = await import(main.href);
  await runCommandLine(process.argv.slice(2));
} else {
  process.stderr.write("error: Landfall is not built yet, dist/cli/main.js is missing. Build it with:  npm run build\n");
  process.exitCode = 1;
}
