// Processes bound to one core, each the leader of a group, so that whatever it starts is counted and ended with it.
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withServers } from "../stage.mjs";

/** The kernel's USER_HZ. */
const TICKS_PER_SECOND = 100;
const END_TIMEOUT_MS = 5_000;
/** The groups that run, and when each has ended. */
const groups = new Map();

/** A folder that is there until this process ends; every group ends before it. */
export function openFolder() {
  const folder = mkdtempSync(join(tmpdir(), "landfall-bench-"));
  process.once("exit", () => {
    for (const group of groups.keys()) signalGroup(group, "SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => endAll().then(() => process.exit(1)));
  return folder;
}

/** Asks all to end and waits for it. What does not listen is killed when this process ends. */
export async function endAll() {
  for (const group of groups.keys()) signalGroup(group, "SIGTERM");
  await Promise.race([Promise.all(groups.values()), new Promise((resolve) => setTimeout(resolve, END_TIMEOUT_MS))]);
}

/** Starts what runs until the end. What it prints goes to the file `log`. */
export function startOn(core, argv, { environment, log }) {
  const output = openSync(log, "a");
  const child = spawnOn(core, argv, { environment, stdio: ["ignore", output, output] });
  return { group: child.pid, ended: groups.get(child.pid) };
}

/** Runs a program to its end and returns its standard output. */
export function runOn(core, argv, environment) {
  const child = spawnOn(core, argv, { environment, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"])
    child[name].setEncoding("utf8").on("data", (text) => {
      output[name] += text;
    });
  return new Promise((resolve, reject) =>
    child.once("close", (code) =>
      code === 0
        ? resolve(output.stdout)
        : reject(new Error(`${argv[0]} ended with ${code}: ${(output.stderr || output.stdout).trim().slice(-500)}`)),
    ),
  );
}

function spawnOn(core, argv, { environment, stdio }) {
  const child = spawn("taskset", ["-c", String(core), ...argv], { stdio, detached: true, env: { ...withServers, ...environment } });
  const { pid } = child;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  groups.set(pid, ended);
  ended.then(() => {
    signalGroup(pid, "SIGKILL");
    groups.delete(pid);
  });
  return child;
}

function signalGroup(group, signal) {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** The processor time of all processes of a group, in seconds. */
export function cpuSeconds(group) {
  let ticks = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const [, , ofGroup, ...more] = statOf(pid);
    // proc_pid_stat(5): fields 5, 14 and 15.
    if (Number(ofGroup) === group) ticks += Number(more[8]) + Number(more[9]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** From the state on; empty for a process that has ended. */
function statOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ");
  } catch {
    return [];
  }
}

/** Begins to watch a core; the answer says which part of the time since it was busy, from 0 to 1. */
export function watchCore(core) {
  const read = () => {
    const [, ...ticks] = readFileSync("/proc/stat", "utf8")
      .match(new RegExp(`^cpu${core} .*`, "m"))[0]
      .split(" ")
      .map(Number);
    return { all: ticks.reduce((sum, count) => sum + count, 0), idle: ticks[3] + ticks[4] };
  };
  const before = read();
  return () => {
    const after = read();
    return 1 - (after.idle - before.idle) / (after.all - before.all);
  };
}
