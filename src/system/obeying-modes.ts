// To root the modes of files mean nothing: it writes into a folder that is read-only as into any other. What is run from a release has to
// be held by them whoever runs it, since what it wrote there would change what runs, and be gone with the next release.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** By the path, because a program's own PATH says what it finds. Of util-linux, which every Debian has; busybox's has no such option. */
const PROGRAMS = ["/usr/bin/setpriv", "/bin/setpriv"];
const WITHOUT_OVERRIDE = "--bounding-set=-dac_override";

let known: readonly string[] | undefined;

/**
 * What stands before a command, so that for root too what is read-only is read-only. Root keeps all its other rights. Empty for other users, who
 * never had this one, and where the system cannot take it: outside Linux, or where this process may not give up rights.
 */
export function obeyingModes(): readonly string[] {
  known ??= isRoot() ? findPrefix() : [];
  return known;
}

/** Whether what is run here writes where it likes, and nothing can be done about it. */
export const passesOverModes = (): boolean => isRoot() && obeyingModes().length === 0;

const isRoot = (): boolean => process.geteuid?.() === 0;

function findPrefix(): string[] {
  const program = PROGRAMS.find((file) => existsSync(file));
  if (!program) return [];
  const { status } = spawnSync(program, [WITHOUT_OVERRIDE, "true"], { stdio: "ignore" });
  return status === 0 ? [program, WITHOUT_OVERRIDE, "--"] : [];
}
