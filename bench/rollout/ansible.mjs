// The same rollout by Ansible: ten processes behind HAProxy, replaced one after the other by playbook.yml.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, execute, install } from "../cache.mjs";
import { accepts, findProgram, freePort, installPrograms, withServers } from "../stage.mjs";

const VERSION = "2.19.14";
const playbook = fileURLToPath(new URL("playbook.yml", import.meta.url));

/** Its own virtual environment, made once. */
function installAnsible() {
  const folder = cacheFolder(`ansible-core-${VERSION}`);
  const program = join(folder, "bin", "ansible-playbook");
  if (existsSync(program)) return program;
  install("python3", "-m", "venv", folder);
  install(join(folder, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", `ansible-core==${VERSION}`);
  return program;
}

/** Starts the fleet behind HAProxy. Throws with the reason when that is not possible here. */
export async function openAnsible({ base, app, instances, atEnd }) {
  installPrograms({ haproxy: "haproxy" });
  if (!findProgram("haproxy")) throw new Error("haproxy is not installed");
  const program = installAnsible();
  const folder = join(base, "ansible");
  mkdirSync(folder);
  const ports = await Promise.all(Array.from({ length: instances }, freePort));
  const port = await freePort();
  const file = (name) => join(folder, name);
  const pidFiles = ports.map((_, index) => file(`web${index + 1}.pid`));
  writeFileSync(file("haproxy.cfg"), haproxyConfig({ port, ports, socket: file("haproxy.sock") }));
  writeFileSync(file("inventory"), inventory({ ports, pidFiles, app, socket: file("haproxy.sock"), python: join(program, "..", "python") }));

  const roll = (release, wave = 1) =>
    execute(program, ["--inventory", file("inventory"), "--extra-vars", `release=${release} wave=${wave}`, playbook], {
      env: { ...process.env, ANSIBLE_PIPELINING: "1", ANSIBLE_NOCOWS: "1", ANSIBLE_HOME: file("home"), LC_ALL: "C.UTF-8" },
    });
  const haproxy = spawn(findProgram("haproxy"), ["-f", file("haproxy.cfg")], { stdio: "ignore", env: withServers });
  const ended = new Promise((resolve) => haproxy.once("exit", resolve));
  atEnd(async () => {
    for (const pidFile of pidFiles.filter(existsSync)) stopProcess(Number(readFileSync(pidFile, "utf8")));
    haproxy.kill();
    await ended;
  });
  await accepts(port);
  await roll("first", instances);
  return [{ name: "ansible-playbook, serial: 1", address: `http://127.0.0.1:${port}`, roll }];
}

function stopProcess(pid) {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It has ended.
  }
}

const haproxyConfig = ({ port, ports, socket }) =>
  [
    "global",
    `  stats socket ${socket} mode 600 level admin`,
    "defaults",
    "  mode http",
    "  option redispatch",
    "  retries 3",
    "  timeout connect 5s",
    "  timeout client 60s",
    "  timeout server 60s",
    "frontend entry",
    `  bind 127.0.0.1:${port}`,
    "  default_backend web",
    "backend web",
    "  balance leastconn",
    ...ports.map((one, index) => `  server web${index + 1} 127.0.0.1:${one}`),
    "",
  ].join("\n");

const inventory = ({ ports, pidFiles, app, socket, python }) =>
  [
    "[web]",
    ...ports.map((port, index) => `web${index + 1} port=${port} pid_file=${pidFiles[index]}`),
    "[web:vars]",
    "ansible_connection=local",
    `ansible_python_interpreter=${python}`,
    `app=${app}`,
    `socket=${socket}`,
    "",
  ].join("\n");
