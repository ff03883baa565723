// A Postgres of the environment's own: its programs, its data folder, its process.

import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf } from "../../../error.ts";
import { type ResourceOf, variableOf } from "../../../resources/index.ts";
import { loadText } from "../../../system/files.ts";
import { observeStart } from "../../../system/processes.ts";
import { assertNotLost } from "../data/data-record.ts";
import { keepPort, requireFreePort } from "../ports/resource-port.ts";
import type { ProcessSpec } from "../supervisor/api.ts";
import type { LocalPlace, LocalResource } from "./local-resource.ts";
import { findPackage, type PostgresPrograms, preparePostgresPrograms, stderrOf } from "./postgres-programs.ts";
import { type DatabaseUsers, establishDatabase, makeVerifier, withClient } from "./postgres-users.ts";
import { waitForAnswer } from "./readiness.ts";
import { type PreparedResource, placeName, type ResourceContext, resourceFailed, secretName } from "./resource.ts";

const SUPERUSER = "landfall";
/** While it starts: nobody listens yet, or the log is still being replayed ("the database system is starting up"). */
const PASSING_CODES = ["ECONNREFUSED", "ECONNRESET", "57P03"];

/**
 * A lock file whose process id now belongs to another program stops Postgres from starting after a power cut or a kill -9:
 * it takes any live process of its user for itself. The real one has the data folder on its command line.
 */
const START_SCRIPT = `
pid=$(head -n 1 "$2/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
  if [ -r "/proc/$pid/cmdline" ]; then command=$(tr '\\000' ' ' <"/proc/$pid/cmdline"); else command=$(ps -o command= -p "$pid"); fi
  case "$command" in *"postgres -D $2 "*) ;; *) rm -f "$2/postmaster.pid" ;; esac
fi
exec "$1" -D "$2" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories=
`;

interface Cluster {
  name: string;
  /** Holds the port file and `pgdata`. */
  folder: string;
  data: string;
  port: number;
  programs: PostgresPrograms;
}

type Postgres = Cluster & { superuserPassword: string };

export const postgres: LocalResource<ResourceOf<"postgres">> = {
  prepare: preparePostgres,
  requireProgram: () => void findPackage(),
  ask: (url) => withClient(url, async () => {}),
};

/** Initialises its data folder the first time, which takes seconds, and starts nothing. */
async function preparePostgres(name: string, resource: ResourceOf<"postgres">, { context }: LocalPlace): Promise<PreparedResource> {
  const folder = join(context.paths.data, placeName(name));
  const port = await keepPort(folder, context.taken);
  const cluster: Cluster = {
    name,
    folder,
    data: join(folder, "pgdata"),
    port,
    programs: preparePostgresPrograms(context.paths.home, context.emit),
  };
  makeReachable(cluster, context.paths.home);
  if (!isServing(cluster)) await requireFreePort(name, port, folder);
  const superuserSecret = secretName(name, "superuser-password");
  // Where the secrets began empty, nobody knows the password that the cluster was made with.
  if (existsSync(cluster.data) && !context.secrets.has(superuserSecret)) resetSuperuser(cluster, superuserSecret, context);
  const postgres: Postgres = { ...cluster, superuserPassword: keepPassword(context, superuserSecret) };
  if (!context.known.has(name) && !existsSync(postgres.data)) initialise(postgres, context);

  const users = usersOf(name, resource, context);
  const urls = keepUrls(postgres, users, context);
  const spec = specOf(postgres);
  const address = `127.0.0.1:${port}/${users.database}`;
  const superuserUrl = (database: string) => urlOf(postgres, { user: SUPERUSER, password: postgres.superuserPassword }, database);
  return {
    name,
    type: "postgres",
    spec,
    address,
    ready: () =>
      waitForAnswer({
        resource: { name, type: "postgres", address },
        ask: () => withClient(superuserUrl("postgres"), async () => {}),
        passing: ({ code }) => PASSING_CODES.includes(code ?? ""),
        logs: { folder: context.paths.logs, id: spec.id },
      }),
    establish: async () => ({
      created: await establishDatabase(superuserUrl, users, () =>
        assertNotLost(context.paths, name, `no database "${users.database}" in its Postgres`),
      ),
    }),
    data: { kind: "postgres", path: join("data", placeName(name), "pgdata"), usedBy: spec.id },
    variables: {
      env: {},
      secretEnv: { [variableOf(name, "URL")]: urls.owner, ...(urls.readOnly && { [variableOf(name, "READONLY_URL")]: urls.readOnly }) },
    },
  };
}

function specOf({ name, folder, data, port, programs }: Cluster): ProcessSpec {
  return {
    id: `resource.${placeName(name)}`,
    kind: "resource",
    argv: ["/bin/sh", "-c", START_SCRIPT, "postgres", programs.postgres, data, String(port)],
    cwd: folder,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C", TZ: "UTC" },
    secretEnv: {},
    port,
    ...programs.user,
    restart: "always",
    // SIGINT is Postgres' fast shutdown: clients are sent away and the log is written. SIGTERM would wait for every client to leave.
    stop: { signal: "SIGINT", timeoutMs: 30_000 },
  };
}

/** Our Postgres is one whose lock file names a live process and whose port is therefore rightly in use. */
function isServing({ data, port }: Cluster): boolean {
  const [pid, , , lockedPort] = (loadText(join(data, "postmaster.pid")) ?? "").split("\n");
  return Number(pid) > 0 && observeStart(Number(pid)) !== undefined && Number(lockedPort) === port;
}

function usersOf(name: string, resource: ResourceOf<"postgres">, context: ResourceContext): DatabaseUsers {
  const database = `${context.deployment.app}_${name}`.replaceAll("-", "_");
  const user = (user: string, part: string) => ({ user, password: keepPassword(context, secretName(name, part)) });
  return {
    database,
    owner: user(database, "password"),
    ...(resource.readOnlyUser && { readOnly: user(`${name.replaceAll("-", "_")}_readonly`, "readonly-password") }),
  };
}

function keepPassword({ secrets }: ResourceContext, secret: string): string {
  if (!secrets.has(secret)) secrets.set(secret, randomBytes(24).toString("base64url"));
  return secrets.reveal(secret);
}

/** The URLs are secrets of their own, so that the supervisor can hand one to an instance without knowing what it is made of. */
function keepUrls(postgres: Postgres, users: DatabaseUsers, { secrets }: ResourceContext): { owner: string; readOnly?: string } {
  const keep = (secret: string, url: string) => {
    if (!secrets.has(secret) || secrets.reveal(secret) !== url) secrets.set(secret, url);
    return secret;
  };
  return {
    owner: keep(secretName(postgres.name, "url"), urlOf(postgres, users.owner, users.database)),
    ...(users.readOnly && { readOnly: keep(secretName(postgres.name, "readonly-url"), urlOf(postgres, users.readOnly, users.database)) }),
  };
}

const urlOf = ({ port }: Postgres, { user, password }: { user: string; password: string }, database: string): string =>
  `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;

/** Postgres' own user must pass through the folders above its data; it may not list them. */
function makeReachable({ name, folder, programs }: Cluster, home: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!programs.user) return;
  for (let above = dirname(folder); above.length >= home.length; above = dirname(above)) chmodSync(above, statSync(above).mode | 0o011);
  chownSync(folder, programs.user.uid, programs.user.gid);
  chmodSync(folder, 0o700);
  for (let above = dirname(home); above !== dirname(above); above = dirname(above)) {
    if (statSync(above).mode & 0o001) continue;
    throw resourceFailed({
      what: `the postgres "${name}" cannot reach its data through the folder "${above}"`,
      where: folder,
      why: "Postgres does not run as root, and its own user may not pass through that folder.",
      standing: "It was not started. What ran before runs on.",
      next: "set LANDFALL_HOME to a folder like /var/lib/landfall, or run Landfall as an ordinary user",
    });
  }
}

/** As its only user, on the data itself, which needs no password. Kept once it holds, so that an interrupted one is done again. */
function resetSuperuser({ name, folder, data, programs }: Cluster, secret: string, { secrets, emit }: ResourceContext): void {
  emit(`giving the postgres "${name}" a new password`);
  const password = randomBytes(24).toString("base64url");
  const { stdout, stderr, status } = spawnSync(programs.postgres, ["--single", "-D", data, "postgres"], {
    ...programs.user,
    cwd: folder,
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
    input: `ALTER ROLE ${SUPERUSER} PASSWORD '${makeVerifier(password)}';\n`,
    encoding: "utf8",
  });
  if (status !== 0 || /ERROR|FATAL/.test(stderr)) {
    throw resourceFailed({
      what: `the postgres "${name}" could not be given a new password`,
      where: data,
      why: `${stdout}${stderr}`.trim().split("\n").slice(-5).join("\n"),
      standing: "It was not started. What ran before runs on.",
    });
  }
  secrets.set(secret, password);
}

/** Beside and renamed, so that an interrupted initialisation is never taken for a finished one. */
function initialise({ name, folder, data, programs, superuserPassword }: Postgres, { emit }: ResourceContext): void {
  emit(`initialising postgres "${name}" in ${data}`);
  const beside = join(folder, "pgdata.new");
  const passwordFile = join(folder, "initdb.password");
  rmSync(beside, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  try {
    writeFileSync(passwordFile, superuserPassword, { mode: 0o600, flag: "wx" });
    if (programs.user) chownSync(passwordFile, programs.user.uid, programs.user.gid);
    const options = [
      "--username",
      SUPERUSER,
      "--pwfile",
      passwordFile,
      "--auth",
      "scram-sha-256",
      "--encoding",
      "UTF8",
      "--locale",
      "C",
      "--data-checksums",
    ];
    execFileSync(programs.initdb, ["-D", beside, ...options], {
      ...programs.user,
      cwd: folder,
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
      stdio: "pipe",
    });
    renameSync(beside, data);
  } catch (cause) {
    const output = String(stderrOf(cause) ?? "")
      .trim()
      .split("\n")
      .slice(-5)
      .join("\n");
    throw resourceFailed({
      what: `the data folder of the postgres "${name}" could not be initialised`,
      where: data,
      why: output || messageOf(cause),
      standing: "It was not started. What ran before runs on.",
      cause,
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}
