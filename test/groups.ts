// Process groups, as the kernel has them.
import { observeTable } from "../src/system/process-table.ts";

export const isGroupAlive = (leader: number): boolean => observeTable().processes.some(({ group }) => group === leader);

/** Resolves when nothing of it is left. */
export async function killGroup(leader: number): Promise<void> {
  while (isGroupAlive(leader)) {
    try {
      process.kill(-leader, "SIGKILL");
    } catch {
      // It has ended since.
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
