// A place of its own for one test file: a state folder, apps as git repositories, and the built command.
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requireNoStrayListener } from "./witness.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Command {
  child: ChildProcessWithoutNullStreams;
  /** What it printed so far. */
  outcome: Outcome;
  ended: Promise<Outcome>;
}

/** @param options.strayApps the apps of this sandbox listen on other ports than their own, as some programs do */
export function makeSandbox({ strayApps = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "landfall-"));
  // Postgres runs as a user of its own when the tests run as root, and has to reach its data.
  chmodSync(folder, 0o711);
  const home = join(folder, "home");
  const apps: string[] = [];

  /** For what a test does to a command that is under way. Its input stays open. When it has ended, its listening sockets are looked at. */
  const start = (cwd: string, ...args: string[]): Command => {
    const child = spawn(process.execPath, [join(root, "bin/landfall.js"), ...args], {
      cwd,
      env: { ...process.env, LANDFALL_HOME: home, NO_COLOR: "1" },
    });
    const outcome: Outcome = { code: -1, stdout: "", stderr: "" };
    child.stdout.on("data", (chunk) => (outcome.stdout += chunk));
    child.stderr.on("data", (chunk) => (outcome.stderr += chunk));
    const closed = new Promise<Outcome>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ ...outcome, code: code ?? -1 }));
    });
    const ended = closed.then((result) => requireNoStrayListener(home, { apps: !strayApps }).then(() => result));
    return { child, outcome, ended };
  };

  const runWithInput = (input: string, cwd: string, ...args: string[]): Promise<Outcome> => {
    const { child, ended } = start(cwd, ...args);
    // A command that reads no input may be gone before it is written.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    return ended;
  };

  const run = (cwd: string, ...args: string[]): Promise<Outcome> => runWithInput("", cwd, ...args);

  return {
    folder,
    home,
    run,
    runWithInput,
    start,

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
      for (const app of apps) for (const name of standingIn(home)) await run(app, "decommission", name, "--yes");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The names of the environments that still stand; an app that has none of that name refuses, which is well. */
function standingIn(home: string): string[] {
  const apps = join(home, "apps");
  if (!existsSync(apps)) return [];
  const names = readdirSync(apps).flatMap((app) => (existsSync(join(apps, app, "environments")) ? readdirSync(join(apps, app, "environments")) : []));
  return [...new Set(names)];
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
