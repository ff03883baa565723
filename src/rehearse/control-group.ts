// The control group of machines: with it all that runs in them is known, whatever it did to be forgotten.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { systemClock } from "../system/clock.ts";

const ROUND_MS = 100;
/** Ten seconds. */
const ROUNDS_MAX = 100;

/** Kills what is in the group and in those below it, waits until it is gone, and removes them. What does not end within ten seconds stays, and its group. */
export async function endGroup(cgroup: string): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX && !removeGroup(cgroup); round++) {
    for (const pid of processesOf(cgroup)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    await systemClock.sleep(ROUND_MS);
  }
}

/** False while something in it still has to end. */
function removeGroup(cgroup: string): boolean {
  return (
    !existsSync(cgroup) ||
    (spawnSync("find", [cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], { stdio: "ignore" }).status === 0 && !existsSync(cgroup))
  );
}

/** Groups come and go while this looks. */
function processesOf(cgroup: string): number[] {
  const read = (file: string) => {
    try {
      return readFileSync(join(cgroup, file), "utf8").split("\n").filter(Boolean).map(Number);
    } catch {
      return [];
    }
  };
  return groupsUnder(cgroup).flatMap((group) => read(join(group, "cgroup.procs")));
}

function groupsUnder(cgroup: string): string[] {
  try {
    return [
      "",
      ...readdirSync(cgroup, { recursive: true, withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? [relative(cgroup, join(entry.parentPath, entry.name))] : [],
      ),
    ];
  } catch {
    return [];
  }
}
