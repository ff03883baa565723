// The processor time used by the process groups of this machine.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** The kernel tells /proc's times in hundredths of a second on every architecture that Node runs on. */
const TICK_MS = 10;

/**
 * Milliseconds of processor time by process group, with that of children that have ended and were waited for. The time of a process
 * that ended without being waited for is gone, so a group's number may also fall.
 */
export function observeGroupTimes(): Map<number, number> {
  const times = new Map<number, number>();
  for (const { group, ms } of process.platform === "linux" ? readProc() : askPs()) times.set(group, (times.get(group) ?? 0) + ms);
  return times;
}

interface ProcessTime {
  group: number;
  ms: number;
}

function readProc(): ProcessTime[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      // The command's name, in brackets, may hold anything: the fields are counted after its last bracket.
      const fields = readFileSync(`/proc/${name}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      return [{ group: Number(fields[2]), ms: ticks * TICK_MS }];
    } catch {
      return [];
    }
  });
}

/** `[[dd-]hh:]mm:ss.cc` */
function askPs(): ProcessTime[] {
  const text = execFileSync("ps", ["-A", "-o", "pgid=,time="], { encoding: "utf8" });
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [group = "", time = ""] = line.trim().split(/\s+/);
      const [days, clock = ""] = time.includes("-") ? time.split("-") : ["0", time];
      const seconds = clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
      return { group: Number(group), ms: (Number(days) * 86_400 + seconds) * 1_000 };
    });
}
