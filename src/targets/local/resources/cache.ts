// A cache: valkey-server or redis-server of this machine, with a data folder, a port and a password of its own.
import { createHash, randomBytes } from "node:crypto";
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { connect, isIP } from "node:net";
import { delimiter, join } from "node:path";
import { connect as connectTls } from "node:tls";
import { LandfallError } from "../../../error.ts";
import { portOf, type ResourceOf, variableOf } from "../../../resources/index.ts";
import { writeWhole } from "../../../system/files.ts";
import { isPortFree } from "../../../system/network.ts";
import { describeDuration } from "../../../text/units.ts";
import { keepPort, requireFreePort } from "../ports/resource-port.ts";
import type { LocalPlace, LocalResource } from "./local-resource.ts";
import { waitForAnswer } from "./readiness.ts";
import { type PreparedResource, placeName, type ResourceContext, secretName } from "./resource.ts";

const PROGRAMS = ["valkey-server", "redis-server"];
const ASK_TIMEOUT_MS = 5_000;

export const cache: LocalResource<ResourceOf<"cache">> = {
  prepare: prepareCache,
  requireProgram: (name) => void requireProgram(name),
  ask: (url) => ping(serverOf(url)),
};

async function prepareCache(name: string, resource: ResourceOf<"cache">, { context }: LocalPlace): Promise<PreparedResource> {
  const program = requireProgram(name);
  const folder = join(context.paths.data, placeName(name));
  const port = await keepPort(folder, context.taken);
  const urlSecret = secretName(name, "url");
  const password = keepPassword(context, urlSecret, port);
  if (!(await isPortFree(port)) && !(await isOurs(port, password))) await requireFreePort(name, port, folder);
  const config = writeConfig(folder, { port, password, memoryBytes: resource.memory });
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
        ask: () => ping({ host: "127.0.0.1", port, password }),
        // LOADING: it listens, and still reads its data.
        passing: ({ code }) => ["ECONNREFUSED", "ECONNRESET", "LOADING"].includes(code ?? ""),
        logs: { folder: context.paths.logs, id },
      }),
    // A cache has nothing to make: its users find it empty, or with what it kept.
    establish: async () => ({ created: [] }),
    variables: { env: {}, secretEnv: { [variableOf(name, "URL")]: urlSecret } },
  };
}

function keepPassword({ secrets }: ResourceContext, secret: string, port: number): string {
  const kept = secrets.has(secret) ? new URL(secrets.reveal(secret)) : undefined;
  const password = kept?.password || randomBytes(24).toString("base64url");
  if (Number(kept?.port) !== port) secrets.set(secret, `redis://:${password}@127.0.0.1:${port}`);
  return password;
}

interface CacheSettings {
  port: number;
  password: string;
  memoryBytes: number;
}

/** The password goes in as its SHA-256 (an access-control rule, from Redis 6 on), so that no file holds it as text. */
function writeConfig(folder: string, { port, password, memoryBytes }: CacheSettings): string {
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
  writeWhole(file, `${lines.join("\n")}\n`);
  return file;
}

/** Throws RESOURCE_PROGRAM_MISSING when neither program is on PATH. */
const requireProgram = (name: string): string => findProgram() ?? missingProgram(name);

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
  ping({ host: "127.0.0.1", port, password }).then(
    () => true,
    ({ code }: NodeJS.ErrnoException) => code === "LOADING",
  );

interface CacheServer {
  host: string;
  port: number;
  user?: string;
  password?: string;
  tls?: boolean;
}

function serverOf(url: string): CacheServer {
  const { protocol, hostname, port, username, password } = new URL(url);
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port) || portOf(protocol) || 6379,
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    tls: protocol === "rediss:",
  };
}

/** A command as its protocol has it, whatever is in its words. */
const commandOf = (...words: string[]): string => `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;

/** Logs in and asks for an answer, in the protocol's own words: a client library would be one dependency for two lines. */
function ping({ host, port, user, password, tls = false }: CacheServer): Promise<void> {
  const login = password ? commandOf("AUTH", ...(user ? [user] : []), password) : "";
  return new Promise((resolve, reject) => {
    let answer = "";
    const ask = () => socket.write(login + commandOf("PING"));
    const address = { host, port, timeout: ASK_TIMEOUT_MS };
    const socket = tls ? connectTls({ ...address, servername: isIP(host) ? undefined : host }, ask) : connect(address, ask);
    socket.once("error", reject);
    socket.once("timeout", () =>
      socket.destroy(Object.assign(new Error(`no answer within ${describeDuration(ASK_TIMEOUT_MS)}`), { code: "ETIMEDOUT" })),
    );
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
