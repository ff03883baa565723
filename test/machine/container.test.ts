// The first program of a container, under a real init that is process 1 of a namespace of its own: by the same cases as on this machine.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { containerEntry } from "../../src/machine/container.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { CASES, PROGRAMS, SHELLS, saidOf } from "../stopping.ts";

/** Runs the command in a container; `signal` is sent to its init once its programs are up. */
async function contained(entry: string[], command: string, ups: number, signal: NodeJS.Signals = "SIGTERM") {
  const namespace = ["--pid", "--fork", "--kill-child", "--mount-proc", "tini", "--"];
  const child = spawn("unshare", [...namespace, ...entry, command], { env: { ...process.env, ...PROGRAMS }, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const lines: string[] = [];
  createInterface(child.stdout).on("line", (line) => {
    lines.push(line);
    if (line.endsWith("up") && lines.filter((one) => one.endsWith("up")).length === ups) process.kill(initOf(child.pid as number), signal);
  });
  return { code: await ended, lines };
}

const initOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());

const entry = containerEntry({ signal: "SIGTERM", timeout: 5_000 });
const quoted = ({ shell, line }: (typeof CASES)[number]) => `exec ${shell} -c '${line.replaceAll("'", `'"'"'`)}'`;

requires("root, tini, unshare and npx", process.getuid?.() === 0 && ["tini", "unshare", "npx", ...SHELLS].every(isOnPath))("in a container", () => {
  it.each(CASES)("what has a job in hand finishes it, and is asked once: $name ($shell)", async (one) => {
    const { lines } = await contained(entry, quoted(one), one.ups ?? 1);
    expect(saidOf(lines, one)).toEqual(one.says);
  });

  it("a command that ends by itself ends the container, with its status", async () => {
    expect((await contained(entry, "exit 7", 1)).code).toBe(7);
  });

  it("a command that stops when it is asked gives its status", async () => {
    expect((await contained(entry, `trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done`, 1)).code).toBe(5);
  });

  it("what does not stop in time ends with the container", async () => {
    const slow = containerEntry({ signal: "SIGTERM", timeout: 300 });
    expect(await contained(slow, 'node -e "$WORKER"; :', 1)).toEqual({ code: 137, lines: ["up", "asked"] });
  });

  it("a job whose time is over finishes what it has in hand, and one that does not take so long gives its status", async () => {
    const job = containerEntry({ signal: "SIGTERM", timeout: 5_000 }, 1);
    expect(await contained(job, 'node -e "$WORKER"; :', 0)).toEqual({ code: 124, lines: ["up", "asked", "done"] });
    expect((await contained(job, "exit 7", 0)).code).toBe(7);
  });

  it("a command that is asked by another signal hears of it", async () => {
    const line = `node -e "$WORKER"; :`;
    for (const signal of ["SIGUSR1", "SIGINT"] as const) {
      const program = line.replace("$WORKER", `$(echo "$WORKER" | sed s/SIGTERM/${signal}/)`);
      const { lines } = await contained(
        containerEntry({ signal, timeout: 5_000 }),
        signal === "SIGINT" ? `exec ${program.replace("; :", "")}` : program,
        1,
        signal,
      );
      expect(lines).toEqual(["up", "asked", "done"]);
    }
  });
});
