// What a machine of AWS's Debian image begins with, as a folder: a Debian 13 with systemd and cloud-init. Made once and kept.
import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { LandfallError } from "../error.ts";
import { during, type Emit } from "../progress.ts";
import { type FileLock, tryFileLock } from "../system/file-lock.ts";
import { ensureLocalCertificate, type LocalCertificate } from "../targets/local/balancer/local-ca.ts";
import { SERVED_NAMES } from "./endpoints.ts";

const RELEASE = "trixie";
const PACKAGES = ["systemd", "systemd-sysv", "dbus", "iproute2", "curl", "ca-certificates", "python3", "procps", "sudo"];
/** Its dependencies are partly virtual packages, which debootstrap cannot choose among. */
const PACKAGES_BY_APT = ["cloud-init"];
const UNITS = ["systemd-networkd", "cloud-init-main", "cloud-init-local", "cloud-init-network", "cloud-config", "cloud-final"];
const MAKING_MS_MAX = 15 * 60_000;

/** The programs that a rehearsal calls, and the Debian packages that bring them. */
const PROGRAMS: Record<string, string> = {
  debootstrap: "debootstrap",
  "systemd-nspawn": "systemd-container",
  ip: "iproute2",
  nsenter: "util-linux",
  setpriv: "util-linux",
};

/** Trust in the rehearsal's own authority, for programs that look at the system's certificates and for those that bring their own. */
const OWN_AUTHORITIES = "/usr/local/share/ca-certificates";
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
const TRUSTING = ["AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"];

/**
 * Python's clients bring a list of their own, by the package `certifi` or instead of it (botocore), and some name it to libcurl, which then asks
 * no variable: Celery on SQS. The interpreter runs this at each start, in virtual environments as well.
 */
const PYTHON_TRUST = `import sys, types

certifi = types.ModuleType("certifi")
certifi.where = lambda: "${CERTIFICATES}"
certifi.contents = lambda: open(certifi.where(), encoding="ascii").read()
sys.modules["certifi"] = certifi
`;

/** Here cloud-init looks for its data where EC2 has it, and the machine's address is set from outside, as if by DHCP. */
const CLOUD = `datasource_list: [Ec2]
datasource:
  Ec2:
    strict_id: false
    timeout: 5
    max_wait: 60
network:
  config: disabled
`;

export interface RootFilesystem {
  folder: string;
  /** Of the service names that machines call. */
  certificate: LocalCertificate;
}

/** Why no machine can be booted here, or undefined. */
export function whyNoMachines(): string | undefined {
  if (process.platform !== "linux") return `it needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "it needs root: it makes network namespaces and mounts";
  const missing = Object.keys(PROGRAMS).filter((program) => !isOnPath(program));
  if (missing.length > 0) return `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not on this machine`;
  return whyNotAllowed();
}

export const packagesMissing = (): string[] => [...new Set(Object.entries(PROGRAMS).flatMap(([program, name]) => (isOnPath(program) ? [] : [name])))];

const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? "").split(":").some((folder) => folder !== "" && existsSync(join(folder, program)));

/** Root in a container has often not all of its powers: what is refused is tried, and nothing of it stays. */
function whyNotAllowed(): string | undefined {
  if (findCgroups() === undefined) return "no cgroup2 file system is mounted here, or it cannot be written";
  try {
    execFileSync("unshare", ["--net", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    const output = String((error as { stderr?: Buffer }).stderr ?? "").trim();
    return `this process may not make namespaces and mounts${output && `: ${output}`}`;
  }
}

/** Where the unified hierarchy of control groups is. */
export function findCgroups(): string | undefined {
  return ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((folder) => {
    if (!existsSync(join(folder, "cgroup.controllers"))) return false;
    const probe = join(folder, `landfall-probe-${process.pid}`);
    try {
      mkdirSync(probe);
      execFileSync("rmdir", [probe]);
      return true;
    } catch {
      return false;
    }
  });
}

/** Throws REHEARSAL_IMPOSSIBLE. */
export function requireMachines(): void {
  const why = whyNoMachines();
  if (!why) return;
  const packages = packagesMissing();
  throw new LandfallError({
    code: "REHEARSAL_IMPOSSIBLE",
    what: "no machine can be booted here for a rehearsal",
    why,
    standing: "Nothing was changed.",
    next: process.platform === "linux" && process.getuid?.() === 0 && packages.length > 0 ? `apt-get install ${packages.join(" ")}` : undefined,
  });
}

/**
 * The root file system in `cache`, made if it is not there: a minute or two, and half a gigabyte. Whole or not at all; two at once make it once.
 * Throws REHEARSAL_IMPOSSIBLE when this machine cannot, or a mirror does not answer.
 */
export async function ensureRootFilesystem(cache: string, emit: Emit): Promise<RootFilesystem> {
  requireMachines();
  const folder = join(cache, `debian-${RELEASE}`);
  mkdirSync(cache, { recursive: true, mode: 0o711 });
  const lock = await waitForLock(`${folder}.lock`);
  try {
    const certificate = await ensureLocalCertificate(join(cache, "authority"), SERVED_NAMES);
    if (!existsSync(folder))
      await during(emit, "root file system", `making a root file system of Debian ${RELEASE}, once`, () => makeRootFilesystem(folder, certificate));
    return { folder, certificate };
  } finally {
    lock.release();
  }
}

/** Waits for whoever makes the same thing at this moment. */
export async function waitForLock(file: string): Promise<FileLock> {
  for (;;) {
    const lock = tryFileLock(file);
    if (lock) return lock;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function makeRootFilesystem(folder: string, certificate: LocalCertificate): Promise<string> {
  const beside = `${folder}.new`;
  rmSync(beside, { recursive: true, force: true });
  try {
    const mirror = findMirror();
    await run("debootstrap", ["--variant=minbase", `--include=${PACKAGES.join(",")}`, RELEASE, beside, ...(mirror ? [mirror] : [])]);
    copyFileSync("/etc/resolv.conf", join(beside, "etc/resolv.conf"));
    const inside = `mount -t proc proc "$1/proc" && shift && exec "$@"`;
    const within = (command: string) => run("unshare", ["--mount", "sh", "-c", inside, "sh", beside, "chroot", beside, "sh", "-ec", command]);
    await within(`apt-get update -qq && apt-get install -y -qq --no-install-recommends ${PACKAGES_BY_APT.join(" ")} && apt-get clean`);
    for (const file of [certificate.authorityFile, ...ownAuthorities()])
      copyFileSync(file, join(beside, "usr/local/share/ca-certificates", `rehearsal-${basename(file, extname(file))}.crt`));
    await within(`update-ca-certificates && systemctl enable ${UNITS.join(" ")} && rm -f /etc/machine-id /etc/resolv.conf`);
    writeFileSync(join(beside, "etc/cloud/cloud.cfg.d/90-rehearsal.cfg"), CLOUD);
    const variables = TRUSTING.map((name) => `${name}=${CERTIFICATES}`);
    mkdirSync(join(beside, "etc/systemd/system.conf.d"), { recursive: true });
    writeFileSync(join(beside, "etc/systemd/system.conf.d/90-rehearsal.conf"), `[Manager]\nDefaultEnvironment=${variables.join(" ")}\n`);
    for (const python of readdirSync(join(beside, "etc")).filter((name) => /^python3\.\d+$/.test(name)))
      writeFileSync(join(beside, "etc", python, "sitecustomize.py"), PYTHON_TRUST);
    writeFileSync(join(beside, "etc/machine-id"), "uninitialized\n");
    renameSync(beside, folder);
    return `a root file system of Debian ${RELEASE} stands in ${folder}`;
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
}

/** What this machine trusts beyond Debian's own list: behind a company's proxy its machines could fetch nothing otherwise. */
const ownAuthorities = (): string[] =>
  existsSync(OWN_AUTHORITIES)
    ? readdirSync(OWN_AUTHORITIES)
        .filter((file) => file.endsWith(".crt"))
        .map((file) => join(OWN_AUTHORITIES, file))
    : [];

/** Where this machine gets Debian from itself; on a machine of another kind debootstrap's own choice. */
function findMirror(): string | undefined {
  if (!isOnPath("apt-get")) return undefined;
  const listed = execFileSync("apt-get", ["indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"], { encoding: "utf8" });
  const lines = listed.split("\n").map((line) => line.split(" ").slice(-2));
  const folder =
    lines.find(([origin, uri]) => origin === "Debian" && /\/debian\/?$/.test(uri ?? "")) ?? lines.find(([, uri]) => /\/debian\/?$/.test(uri ?? ""));
  return folder?.[1];
}

function run(program: string, args: string[]): Promise<void> {
  const env = { PATH: process.env.PATH, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" };
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, timeout: MAKING_MS_MAX, maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) => {
      if (error) reject(rootFilesystemFailed(program, `${stdout}\n${stderr}`, error));
      else resolve();
    });
  });
}

const rootFilesystemFailed = (program: string, said: string, cause: Error) =>
  new LandfallError({
    code: "REHEARSAL_IMPOSSIBLE",
    what: `the root file system of Debian ${RELEASE} for machines could not be made`,
    why: [`${program} ended with an error; its last words:`, ...said.trim().split("\n").slice(-5)].join("\n"),
    standing: "Nothing was kept of it, and nothing else was changed.",
    cause,
  });
