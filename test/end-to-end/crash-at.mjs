// Loaded into a command by a test: kills it, its supervisor, or both with SIGKILL at one boundary of its journal.
// LANDFALL_CRASH_AT is "<when> <number> <whom>": before (the act), between (act and record) or after (the record) of the n-th step; or
// moved, after the n-th rename of an environment's folder or of data that is kept, where there may be no journal any more.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";

const [when, number, whom] = (process.env.LANDFALL_CRASH_AT ?? "").split(" ");
const { writeSync, fsyncSync, openSync, renameSync } = fs;
let journalHandle;
let line = "";
let count = 0;
let folder = "";

function crash() {
  count = Number.NEGATIVE_INFINITY;
  const pidFile = join(folder, "supervisor", "supervisor.json");
  if (whom !== "command" && fs.existsSync(pidFile)) {
    const { pid } = JSON.parse(fs.readFileSync(pidFile, "utf8"));
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  if (whom !== "supervisor") process.kill(process.pid, "SIGKILL");
}

fs.openSync = (file, ...rest) => {
  const handle = openSync(file, ...rest);
  if (String(file).endsWith("journal.jsonl")) {
    journalHandle = handle;
    folder = join(String(file), "..");
  } else if (handle === journalHandle) journalHandle = undefined;
  return handle;
};

fs.writeSync = (handle, data, ...rest) => {
  line = handle === journalHandle ? String(data) : "";
  const counted = when === "before" ? "intent" : "result";
  if (line.includes(`"type":"${counted}"`)) count += 1;
  const isDue = line && count === Number(number);
  if (when === "between" && isDue) crash();
  const written = writeSync(handle, data, ...rest);
  if (when === "after" && isDue) crash();
  return written;
};

fs.fsyncSync = (handle) => {
  fsyncSync(handle);
  if (handle === journalHandle && line && when === "before" && count === Number(number)) crash();
};

fs.renameSync = (from, to) => {
  renameSync(from, to);
  if (when !== "moved" || !/\/(removing-|kept\/)/.test(`${from} ${to}`)) return;
  count += 1;
  if (count === Number(number)) crash();
};

syncBuiltinESMExports();
