// `npm start`: the guestbook of examples/ on this machine, behind its balancer, with its database. A second run changes nothing.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { install, root, run } from "./install.mjs";

install();
const command = join(root, "bin", "landfall.js");
passOn(run(process.execPath, [command, "commission", "local", "--wait"]));

const reason = findReasonForDirty();
if (reason) console.log(`Releasing the files as they are (--dirty): ${reason}.`);
// Its last line is the address, on a second run too.
passOn(run(process.execPath, [command, "deploy", "local", "--wait", ...(reason ? ["--dirty"] : [])]));

function passOn(exitCode) {
  if (exitCode !== 0) process.exit(exitCode);
}

/** Why there is no clean commit to release, or undefined when there is one. */
function findReasonForDirty() {
  const git = spawnSync("git", ["status", "--porcelain"], { cwd: root, encoding: "utf8" });
  if (git.error) return "git is not installed";
  if (git.status !== 0) return "this folder is not a git repository";
  return git.stdout.trim() ? "the working tree differs from the commit" : undefined;
}
