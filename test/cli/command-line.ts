// Runs the built command line as a user would: a process of its own, in a folder of its own, without a terminal.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));

export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

export interface Folder {
  path: string;
  write(name: string, text: string): void;
  landfall(args: string[], input?: string): Promise<Outcome>;
  remove(): void;
}

export function makeFolder(): Folder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "landfall-cli-")));
  const home = join(path, ".home");
  return {
    path,
    write(name, text) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), text);
    },
    landfall: (args, input = "") =>
      new Promise((resolve) => {
        const env = { PATH: process.env.PATH, HOME: home, LANDFALL_HOME: home, NO_COLOR: "1" };
        const child = execFile(process.execPath, [BIN, ...args], { cwd: path, env }, (error, stdout, stderr) => {
          resolve({ status: error ? Number(error.code ?? -1) : 0, stdout, stderr });
        });
        // A command that does not read its input may be gone before it is written.
        child.stdin?.on("error", () => {});
        child.stdin?.end(input);
      }),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

export const CONFIG = `import { defineApp } from "landfall";

export default defineApp({
  name: "shop",
  services: { web: { command: "node server.js", port: 8080 }, worker: { command: "node worker.js" } },
  environments: { local: { target: "local" }, staging: { target: "local" } },
});
`;
