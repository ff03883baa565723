// A cache: valkey-server or redis-server of this machine, with a data folder, a port and a password of its own.
import { createHash, randomBytes } from "node:crypto";
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { LandfallError } from "../../../error.ts";
import { writeWhole } from "../../../system/files.ts";
import { isPortFree } from "../../../system/network.ts";
import { waitForAnswer } from "./answer.ts";
import { isGiven, prepareGiven } from "./given.ts";
import { keepPort, requireFreePort } from "./port.ts";
import { type PreparedResource, placeName, type ResourceContext, type ResourceOf, secretName, variablePrefix } from "./resource.ts";

const PROGRAMS = ["valkey-server", "redis-server"];
const ASK_TIMEOUT_MS = 5_000;

/** Prepares a cache. Throws RESOURCE_PROGRAM_MISSING when neither program is on PATH. */
export async function prepareCache(
  name: string,
  resource: ResourceOf<"cache">,
  context: ResourceContext,
  taken: Set<number>,
): Promise<PreparedResource> {
  const variable = `${variablePrefix(name)}_URL`;
  if (isGiven(resource)) return prepareGiven(name, resource, variable, context);

  const program = findProgram() ?? missingProgram(name);
  const folder = join(context.places.data, placeName(name));
  const port = await keepPort(folder, taken);
  const urlSecret = secretName(name, "url");
  const password = keepPassword(context, urlSecret, port);
  if (!(await isPortFree(port)) && !(await isOurs(port, password))) await requireFreePort(name, port, folder);
  const config = writeConfig(folder, port, password, resource.memory);
  const id = `resource.${placeName(name)}`;
  const address = `127.0.0.1:${port}`;
  return {
    name,
    type: "cache",
    spec: {
      id,
      kind: "resource",
      argv: [program, config],
      cwd: folder,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
      secretEnv: {},
      port,
      restart: "always",
      stop: { signal: "SIGTERM", timeoutMs: 30_000 },
    },
    address,
    ready: () =>
      waitForAnswer({
        resource: { name, type: "cache", address },
        ask: () => ping(port, password),
        // LOADING: it listens, and still reads its data.
        passing: ({ code }) => ["ECONNREFUSED", "ECONNRESET", "LOADING"].includes(code ?? ""),
        logs: { folder: context.places.logs, id },
      }),
    // A cache has nothing to make: its users find it empty, or with what it kept.
    establish: async () => ({ created: [] }),
    variables: { env: {}, secretEnv: { [variable]: urlSecret } },
  };
}

function keepPassword({ secrets }: ResourceContext, secret: string, port: number): string {
  const kept = secrets.has(secret) ? new URL(secrets.reveal(secret)) : undefined;
  const password = kept?.password || randomBytes(24).toString("base64url");
  if (Number(kept?.port) !== port) secrets.set(secret, `redis://:${password}@127.0.0.1:${port}`);
  return password;
}

/** The password goes in as its SHA-256 (an access-control rule, from Redis 6 on), so that no file holds it as text. */
function writeConfig(folder: string, port: number, password: string, memoryBytes: number): string {
  const file = join(folder, "cache.conf");
  const dataFolder = join(folder, "data");
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const lines = [
    "bind 127.0.0.1",
    `port ${port}`,
    "daemonize no",
    `dir "${dataFolder}"`,
    `user default on #${createHash("sha256").update(password).digest("hex")} ~* &* +@all`,
    `maxmemory ${memoryBytes}`,
    "maxmemory-policy allkeys-lru",
    "appendonly yes",
    'save ""',
  ];
  writeWhole(file, `${lines.join("\n")}\n`, 0o600);
  return file;
}

function findProgram(path = process.env.PATH ?? ""): string | undefined {
  // Debian keeps servers out of an ordinary user's PATH now and then, and Homebrew out of that of a service.
  const folders = [...path.split(delimiter), "/usr/local/bin", "/usr/bin", "/usr/sbin", "/opt/homebrew/bin"].filter(Boolean);
  return PROGRAMS.flatMap((program) => folders.map((folder) => join(folder, program))).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function missingProgram(name: string): never {
  throw new LandfallError({
    code: "RESOURCE_PROGRAM_MISSING",
    what: `the cache "${name}" needs valkey-server or redis-server`,
    where: `resources.${name}`,
    why: "Neither is on PATH.",
    standing: "Nothing was changed.",
    next:
      process.platform === "darwin"
        ? "brew install valkey   (or give the resource a `url`)"
        : "apt-get install valkey-server   (Debian 13; redis-server on older ones; or give the resource a `url`)",
  });
}

const isOurs = (port: number, password: string): Promise<boolean> =>
  ping(port, password).then(
    () => true,
    ({ code }: NodeJS.ErrnoException) => code === "LOADING",
  );

/** Logs in and asks for an answer, in the protocol's own words: a client library would be one dependency for two lines. */
function ping(port: number, password: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ host: "127.0.0.1", port, timeout: ASK_TIMEOUT_MS }, () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.once("error", reject);
    socket.once("timeout", () => socket.destroy(Object.assign(new Error("no answer within 5 s"), { code: "ETIMEDOUT" })));
    socket.once("close", () => reject(Object.assign(new Error(`connection closed after ${JSON.stringify(answer)}`), { code: "ECONNRESET" })));
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      const failure = /^-(\w+) ([^\r]*)\r\n/m.exec(answer);
      if (failure) reject(Object.assign(new Error(`${failure[1]} ${failure[2]}`), { code: failure[1] }));
      else if (!answer.includes("+PONG\r\n")) return;
      else resolve();
      socket.destroy();
    });
  });
}
