// What the tests need of a machine besides Node and npm: each program, how it is recognised, and the Debian package that brings it.
import { spawnSync } from "node:child_process";

interface Program {
  debianPackage: string;
  what: string;
  isThere(): boolean;
}

/** Whether a program of that name is there. Servers of the system are often in /usr/sbin, which is in root's PATH only. */
export const isOnPath = (program: string): boolean => answers("sh", "-c", `command -v ${program}`);

const answers = (program: string, ...args: string[]): boolean => spawnSync(program, args, { stdio: "ignore" }).status === 0;

const PROGRAMS: Program[] = [
  { debianPackage: "git", what: "git", isThere: () => answers("git", "--version") },
  { debianPackage: "git-lfs", what: "git-lfs", isThere: () => isOnPath("git-lfs") },
  { debianPackage: "procps", what: "ps", isThere: () => answers("ps", "-p", String(process.pid)) },
  { debianPackage: "python3-venv", what: "python3 with venv", isThere: () => answers("python3", "-c", "import venv, ensurepip") },
  {
    debianPackage: "redis-server",
    what: "valkey-server or redis-server",
    isThere: () => answers("valkey-server", "--version") || answers("redis-server", "--version"),
  },
  { debianPackage: "mariadb-server-core", what: "mariadbd", isThere: () => isOnPath("mariadbd") },
  { debianPackage: "mariadb-client-core", what: "my_print_defaults, for mariadb-install-db", isThere: () => isOnPath("my_print_defaults") },
  { debianPackage: "shellcheck", what: "shellcheck", isThere: () => answers("shellcheck", "--version") },
  { debianPackage: "nginx", what: "nginx", isThere: () => isOnPath("nginx") },
  { debianPackage: "jq", what: "jq", isThere: () => answers("jq", "--version") },
  { debianPackage: "postgresql-client", what: "psql", isThere: () => answers("psql", "--version") },
  { debianPackage: "iproute2", what: "ss", isThere: () => answers("ss", "--version") },
  { debianPackage: "buildah", what: "buildah", isThere: () => isOnPath("buildah") },
  { debianPackage: "docker-registry", what: "docker-registry", isThere: () => isOnPath("docker-registry") },
  { debianPackage: "curl", what: "curl", isThere: () => answers("curl", "--version") },
  // Of no use to anybody but root, and then only for machines that are booted and for containers.
  ...(process.platform === "linux" && process.getuid?.() === 0
    ? [
        { debianPackage: "debootstrap", what: "debootstrap", isThere: () => answers("debootstrap", "--version") },
        { debianPackage: "systemd-container", what: "systemd-nspawn", isThere: () => answers("systemd-nspawn", "--version") },
        { debianPackage: "tini", what: "tini", isThere: () => answers("tini", "--version") },
        { debianPackage: "iproute2", what: "ip", isThere: () => answers("ip", "-V") },
      ]
    : []),
];

/**
 * In a pipeline, as root and where there is apt-get, installs what is missing. On a person's machine nothing is installed unasked: this says
 * what to type. Tests that can be left out are skipped then; without git hardly any can.
 */
export function ensurePrograms(): void {
  const missing = () => PROGRAMS.filter((program) => !program.isThere());
  const mayInstall = process.env.LANDFALL_CI_STRICT === "1" && process.getuid?.() === 0 && answers("apt-get", "--version");
  if (mayInstall && missing().length > 0) install(missing());
  const left = missing();
  if (left.length === 0) return;
  console.error(`The tests need ${left.map(({ what }) => what).join(", ")}:  ${commandFor(left)}`);
  if (left.some(({ what }) => what === "git")) throw new Error("without git no test of a release can run");
}

const commandFor = (programs: Program[]): string => `apt-get install ${programs.map((one) => one.debianPackage).join(" ")}`;

function install(programs: Program[]): void {
  const names = programs.map((one) => one.debianPackage);
  console.error(`installing ${names.join(", ")}`);
  // Servers that a package brings must not be started: the tests start their own.
  const options = {
    stdio: ["ignore", "ignore", 2] as ["ignore", "ignore", number],
    timeout: 300_000,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  };
  spawnSync("apt-get", ["update", "-qq"], options);
  spawnSync("apt-get", ["install", "-qq", "-y", "--no-install-recommends", ...names], options);
}
