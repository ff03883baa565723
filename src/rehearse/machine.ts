// One machine: a container that boots a whole Debian with systemd from layers, in the rehearsal's network.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { endGroup } from "./control-group.ts";
import { BRIDGE, type Network } from "./network.ts";

/** What nspawn ends with when its machine wants to be started again, and does not do so itself. */
const REBOOT_STATUS = 133;
const CONSOLE_CHARACTERS_MAX = 64_000;
const POWER_OFF_MS = 90_000;

export interface MachineInput {
  name: string;
  network: Network;
  address: string;
  /** Holds what it writes, and its console's output. */
  folder: string;
  /** The control group it gets is made in this one. */
  cgroup: string;
  /** Folders with its disk's content; what is in an earlier one hides what is in a later one. They are not changed. */
  layers: string[];
}

export interface Machine {
  name: string;
  address: string;
  /** What its disk differs by from the layers. */
  written: string;
  /** Its whole disk, as it sees it, while it is not removed. */
  root: string;
  /** The last of what was printed on its console. */
  output(): string;
  /** How often it was started; grows with each reboot. */
  starts(): number;
  /** Resolves when it is off: it did so itself, or was told to. */
  off: Promise<void>;
  /** Runs a command in it, as root, and returns what it printed. Rejects when the command's status is not 0. */
  run(command: string): Promise<string>;
  /** As with the button: asks its system to shut down, and cuts the power when that takes too long. */
  powerOff(): Promise<void>;
  /** Cuts the power. */
  kill(): Promise<void>;
  /** Takes its disk away; `keepWritten` leaves what it wrote, as the layer of an image. */
  remove(options?: { keepWritten?: boolean }): Promise<void>;
}

export function bootMachine(input: MachineInput): Machine {
  const { name, address, folder } = input;
  const { written, root } = mountDisk(input);
  writeAddress(root, input);
  mkdirSync(input.cgroup, { recursive: true });
  const log = createWriteStream(join(folder, "console.log"));
  let [output, starts, ending] = ["", 0, false];
  let child: ChildProcess;

  const hear = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-CONSOLE_CHARACTERS_MAX);
    log.write(chunk);
  };
  const off = new Promise<void>((resolve) => {
    const start = () => {
      starts += 1;
      child = spawnMachine(input, root);
      child.stdout?.on("data", hear);
      child.stderr?.on("data", hear);
      child.once("close", (code) => (code === REBOOT_STATUS && !ending ? start() : (log.end(), resolve())));
    };
    start();
  });
  const kill = async () => {
    ending = true;
    child.kill("SIGKILL");
    await off;
  };
  return {
    name,
    address,
    written,
    root,
    output: () => output,
    starts: () => starts,
    off,
    kill,
    run: (command) => runInside(child.pid as number, command),
    async powerOff() {
      ending = true;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), POWER_OFF_MS);
      await off;
      clearTimeout(timer);
    },
    async remove({ keepWritten = false } = {}) {
      // What was killed needs a moment to end, and writes until then.
      await endGroup(input.cgroup);
      execFileSync("umount", ["--lazy", root]);
      // Not in one go: thousands of files, while requests are passed on here.
      for (const part of [root, join(folder, "work"), ...(keepWritten ? [] : [folder])]) await rm(part, { recursive: true, force: true });
    },
  };
}

function mountDisk({ folder, layers }: MachineInput): { written: string; root: string } {
  const [written, root, work] = [join(folder, "written"), join(folder, "root"), join(folder, "work")];
  for (const part of [written, root, work]) mkdirSync(part, { recursive: true });
  execFileSync("mount", ["-t", "overlay", "overlay", "-o", `lowerdir=${layers.join(":")},upperdir=${written},workdir=${work},volatile`, root]);
  return { written, root };
}

/** The place where DHCP would put it on EC2. */
function writeAddress(root: string, { network, address }: MachineInput): void {
  const folder = join(root, "etc/systemd/network");
  mkdirSync(folder, { recursive: true });
  const link = ["[Match]", "Name=host0", "[Network]", `Address=${address}/24`, `Gateway=${network.gateway}`, "LinkLocalAddressing=no", ""];
  writeFileSync(join(folder, "10-host0.network"), link.join("\n"));
  rmSync(join(root, "etc/resolv.conf"), { force: true });
  writeFileSync(join(root, "etc/resolv.conf"), `nameserver ${network.gateway}\n`);
}

/** It ends with this process: the kernel sends it SIGTERM then. */
function spawnMachine({ name, network, cgroup }: MachineInput, root: string): ChildProcess {
  const join = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"';
  const nspawn = [
    "systemd-nspawn",
    "--quiet",
    `--directory=${root}`,
    "--boot",
    `--machine=${name}`,
    "--register=no",
    "--keep-unit",
    `--network-bridge=${BRIDGE}`,
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    "--console=read-only",
    "--kill-signal=SIGRTMIN+4",
  ];
  const args = ["-c", join, "sh", cgroup, "setpriv", "--pdeathsig", "TERM", "nsenter", `--net=/run/netns/${network.name}`, ...nspawn];
  return spawn("sh", args, { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, SYSTEMD_LOG_LEVEL: "warning" } });
}

async function runInside(nspawn: number, command: string): Promise<string> {
  const leader = leaderOf(nspawn);
  return new Promise((resolve, reject) => {
    const args = [`--target=${leader}`, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "sh", "-c", `cd / && ${command}`];
    const child = spawn("nsenter", args, { stdio: ["ignore", "pipe", "pipe"], env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin" } });
    let [out, error] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (error += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve(out) : reject(new Error(`${command} ended with ${code}: ${error || out}`))));
  });
}

/** The machine's first process: nspawn's one child that has a process tree of its own. */
function leaderOf(nspawn: number): number {
  const children = readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  const leader = children.find((pid) => /^NSpid:\s+\d+\s+1$/m.test(readFileSync(`/proc/${pid}/status`, "utf8")));
  if (leader === undefined) throw new Error("the machine has not started its first process yet");
  return leader;
}
