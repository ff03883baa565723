// A Postgres of the environment's own: its programs, its data folder, its process.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadText } from "../../../system/files.ts";
import { observeStart } from "../../../system/processes.ts";
import type { ProcessSpec } from "../supervisor/api.ts";
import { waitForAnswer } from "./answer.ts";
import { isGiven, prepareGiven } from "./given.ts";
import { keepPort, requireFreePort } from "./port.ts";
import { type PostgresPrograms, preparePostgresPrograms } from "./postgres-programs.ts";
import { type DatabaseUsers, establishDatabase, withClient } from "./postgres-users.ts";
import { type PreparedResource, placeName, type ResourceContext, type ResourceOf, resourceFailed, secretName, variablePrefix } from "./resource.ts";

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

interface Postgres {
  name: string;
  /** Holds the port file and `pgdata`. */
  folder: string;
  data: string;
  port: number;
  programs: PostgresPrograms;
  superuserPassword: string;
}

/** Prepares a Postgres: initialises its data folder the first time, which takes seconds, and starts nothing. */
export async function preparePostgres(
  name: string,
  resource: ResourceOf<"postgres">,
  context: ResourceContext,
  taken: Set<number>,
): Promise<PreparedResource> {
  const prefix = variablePrefix(name);
  if (isGiven(resource)) return prepareGiven(name, resource, `${prefix}_URL`, context);

  const folder = join(context.places.data, placeName(name));
  const port = await keepPort(folder, taken);
  const postgres: Postgres = {
    name,
    folder,
    data: join(folder, "pgdata"),
    port,
    programs: preparePostgresPrograms(context.places.home, context.emit),
    superuserPassword: keepPassword(context, secretName(name, "superuser-password")),
  };
  makeReachable(postgres, context.places.home);
  if (!isServing(postgres)) await requireFreePort(name, port, folder);
  if (!existsSync(postgres.data)) initialise(postgres, context);

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
        logs: { folder: context.places.logs, id: spec.id },
      }),
    establish: async () => ({ created: await establishDatabase(superuserUrl, users) }),
    variables: { env: {}, secretEnv: { [`${prefix}_URL`]: urls.owner, ...(urls.readOnly && { [`${prefix}_READONLY_URL`]: urls.readOnly }) } },
  };
}

function specOf({ name, folder, data, port, programs }: Postgres): ProcessSpec {
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
function isServing({ data, port }: Postgres): boolean {
  const [pid, , , lockedPort] = (loadText(join(data, "postmaster.pid")) ?? "").split("\n");
  return Number(pid) > 0 && observeStart(Number(pid)) !== undefined && Number(lockedPort) === port;
}

function usersOf(name: string, resource: ResourceOf<"postgres">, context: ResourceContext): DatabaseUsers {
  const database = `${context.app.name}_${name}`.replaceAll("-", "_");
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
function makeReachable({ name, folder, programs }: Postgres, home: string): void {
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
      standing: "Nothing was started.",
      next: "set LANDFALL_HOME to a folder like /var/lib/landfall, or run Landfall as an ordinary user",
    });
  }
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
    const said = String((cause as { stderr?: Buffer }).stderr ?? "")
      .trim()
      .split("\n")
      .slice(-5)
      .join("\n");
    throw resourceFailed({
      what: `the data folder of the postgres "${name}" could not be initialised`,
      where: data,
      why: said || (cause as Error).message,
      standing: "Nothing was started.",
      cause,
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}
