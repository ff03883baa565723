// A real git repository in a temporary folder.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { deploymentOf } from "../../src/config/deployment.ts";
import { type AppInput, appSchema } from "../../src/config/schema.ts";
import { LandfallError } from "../../src/error.ts";

export function makeFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "landfall-")));
  onTestFinished(() => {
    execFileSync("chmod", ["-R", "u+w", folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

export function git(folder: string, ...args: string[]): string {
  const identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgSign=false", "-c", "protocol.file.allow=always"];
  return execFileSync("git", [...identity, ...args], { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

export type Files = Record<string, string>;

/** A path that ends with "*" is made executable. */
export function writeAll(folder: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name.replace(/\*$/, ""));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, name.endsWith("*") ? 0o755 : 0o644);
  }
}

/** Returns the commit's hash. */
export function commitAll(folder: string, subject: string): string {
  git(folder, "add", "-A");
  git(folder, "commit", "-qm", subject);
  return git(folder, "rev-parse", "HEAD");
}

export function makeRepository(files: Files, subject = "Begin"): { folder: string; commit: string } {
  const folder = makeFolder();
  git(folder, "init", "-q", "-b", "main");
  writeAll(folder, files);
  return { folder, commit: commitAll(folder, subject) };
}

export const appOf = (input: Partial<AppInput> = {}) =>
  deploymentOf(appSchema.parse({ name: "guestbook", services: { web: { command: "node server.js", port: 80 } }, ...input }), "local");

/** The error an act ends with, which must be one of ours. */
export async function failureOf(act: Promise<unknown> | (() => unknown)): Promise<LandfallError["parts"]> {
  try {
    await (typeof act === "function" ? act() : act);
  } catch (error) {
    if (!(error instanceof LandfallError)) throw error;
    const { cause: _, ...parts } = error.parts;
    return JSON.parse(JSON.stringify(parts)) as LandfallError["parts"];
  }
  throw new Error("nothing failed");
}
