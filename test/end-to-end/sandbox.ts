// A place of its own for one test file: a state folder, apps as git repositories, and the built command.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export function makeSandbox() {
  const folder = mkdtempSync(join(tmpdir(), "landfall-"));
  // Postgres runs as a user of its own when the tests run as root, and has to reach its data.
  chmodSync(folder, 0o711);
  const home = join(folder, "home");
  const apps: string[] = [];

  const run = (cwd: string, ...args: string[]): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [join(root, "bin/landfall.js"), ...args], { cwd, env: { ...process.env, LANDFALL_HOME: home, NO_COLOR: "1" }, stdio: ["ignore", "pipe", "pipe"] });
      const outcome: Outcome = { code: -1, stdout: "", stderr: "" };
      child.stdout.on("data", (chunk) => (outcome.stdout += chunk));
      child.stderr.on("data", (chunk) => (outcome.stderr += chunk));
      child.on("error", reject);
      child.on("close", (code) => resolve({ ...outcome, code: code ?? -1 }));
    });

  return {
    folder,
    home,
    run,

    /** Copies an app (without what was installed there) and commits it. */
    copyApp(source: string, name = "app"): string {
      const app = join(folder, name);
      cpSync(join(root, source), app, { recursive: true, filter: (path) => !/node_modules|\.venv|__pycache__/.test(path.slice(root.length)) });
      git(app, "init", "-q");
      apps.push(app);
      commit(app, "First");
      return app;
    },

    /** Decommissions what a failed test left, then removes the folder. */
    async dispose(): Promise<void> {
      for (const app of apps) if (existsSync(join(home, "apps"))) await run(app, "decommission", "local", "--yes");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function change(app: string, file: string, content: string): void {
  writeFileSync(join(app, file), content);
  commit(app, `Change ${file}`);
}

function commit(app: string, subject: string): void {
  git(app, "add", "-A");
  git(app, "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit", "-q", "--allow-empty", "-m", subject);
}

const git = (app: string, ...args: string[]) => execFileSync("git", args, { cwd: app, stdio: ["ignore", "pipe", "pipe"] });
