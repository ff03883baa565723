// Release phases and databases that go back: what older data lacks is run again, what newer data has is not.
import { execFileSync } from "node:child_process";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeployReport, RecoveryReport } from "../../src/index.ts";
import { openSecrets } from "../../src/targets/local/data/secret-store.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { connectSupervisor } from "../../src/targets/local/supervisor/start.ts";
import { change, makeSandbox } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/keeper");
const paths = pathsOf(sandbox.home, "keeper", "local");

const configuration = (database: string) => `import { defineApp } from "landfall";

export default defineApp({
  name: "keeper",
  resources: { database: { type: "postgres"${database} } },
  services: { worker: { command: "exec sleep 600", stop: { timeout: "3s" } } },
  environments: { local: { target: "local" }, other: { target: "local" } },
  release: { expand: "node migrate.js", contract: "node migrate.js contract" },
});
`;

/** Leaves a row a run, and the version of the release. What it cannot write is left out, as by a user that may only read. */
const MIGRATE = `import { readFileSync } from "node:fs";
import pg from ${JSON.stringify(import.meta.resolve("pg"))};
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
const version = readFileSync("version.txt", "utf8") + (process.argv[2] ?? "");
await client.query("CREATE TABLE IF NOT EXISTS public.ran (version text)").catch(() => {});
await client.query("INSERT INTO public.ran VALUES ($1)", [version]);
await client.end();
`;

async function must(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await sandbox.run(app, ...args);
  expect({ code, stderr }, args.join(" ")).toMatchObject({ code: 0 });
  return stdout;
}
const report = async <T>(...args: string[]): Promise<T> => JSON.parse(await must(...args, "--json")) as T;
const deploy = (...args: string[]) => report<DeployReport>("deploy", "local", ...args);

function release(version: string, database = ""): void {
  change(app, "migrate.js", MIGRATE);
  change(app, "version.txt", version);
  change(app, "landfall.config.ts", configuration(database));
}

async function query(url: string, sql: string): Promise<Record<string, string>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, string>[];
  } finally {
    await client.end();
  }
}

const ownUrl = () => openSecrets(paths).reveal("resource/database/url");
const runs = async (url = ownUrl()) => (await query(url, "SELECT version FROM public.ran ORDER BY ctid")).map(({ version }) => version);

afterAll(() => sandbox.dispose());

describe("a database of the environment's own", () => {
  const cluster = join(paths.data, "database/pgdata");
  const older = join(sandbox.folder, "older");

  /** The files of the cluster are changed while nothing runs on them. */
  async function whileStopped(act: () => void): Promise<void> {
    await (await connectSupervisor(paths)).shutdown();
    act();
    await must("commission", "local");
  }
  const copy = (from: string, to: string) => {
    rmSync(to, { recursive: true, force: true });
    // With owners: a copy by root would be root's, and Postgres has a user of its own then.
    execFileSync("cp", ["-a", from, to]);
  };

  beforeAll(async () => {
    release("1");
    await must("commission", "local");
    await deploy();
    expect(await runs()).toEqual(["1"]);
    await whileStopped(() => copy(cluster, older));
    release("2");
    await deploy("--contract");
    expect(await runs()).toEqual(["1", "2", "2contract"]);
  });

  it("is not migrated again while it remembers, also after it was kept", async () => {
    expect(await deploy("--contract")).toMatchObject({ changed: false, contracted: false });
    await must("decommission", "local", "--yes", "--keep-data");
    await must("commission", "local");
    expect(await deploy("--contract")).toMatchObject({ changed: true, contracted: false });
    expect(await runs()).toEqual(["1", "2", "2contract"]);
  });

  it("is not migrated again because of other data, which is new or begins empty", async () => {
    const more = '}, uploads: { type: "bucket" }, extra: { type: "postgres" ';
    release("2", more);
    await must("commission", "local");
    await (await connectSupervisor(paths)).shutdown();
    rmSync(join(paths.data, "objects"), { recursive: true });
    await must("commission", "local", "--empty", "uploads");
    release("2");
    await must("commission", "local");
    expect(await deploy("--contract")).toMatchObject({ contracted: false });
    expect(await runs()).toEqual(["1", "2", "2contract"]);
  });

  it("is migrated again by the next deploy when it has gone back", async () => {
    await whileStopped(() => copy(older, cluster));
    expect(await runs()).toEqual(["1"]);
    expect(await deploy("--contract")).toMatchObject({ changed: true, contracted: true });
    expect(await runs()).toEqual(["1", "2", "2contract"]);
    expect(await deploy("--contract")).toMatchObject({ changed: false, contracted: false });
  });

  it("is migrated again when all is brought back", async () => {
    await whileStopped(() => copy(older, cluster));
    expect(await report<RecoveryReport>("resume", "local")).toMatchObject({ did: "brought back" });
    expect(await runs()).toEqual(["1", "2"]);
    expect(await report<RecoveryReport>("resume", "local")).toMatchObject({ did: "nothing" });
  });

  it("is migrated when it begins empty", async () => {
    await (await connectSupervisor(paths)).stop({ id: "resource.database" });
    renameSync(join(paths.data, "database"), join(sandbox.folder, "gone"));
    await must("commission", "local", "--empty", "database");
    await deploy();
    expect(await runs()).toEqual(["2"]);
  });

  it("that does not answer is believed to be as it was", async () => {
    await (await connectSupervisor(paths)).stop({ id: "resource.database" });
    const { code, stderr } = await sandbox.run(app, "deploy", "local");
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('database "database" does not answer') });
    await must("resume", "local");
    expect(await runs()).toEqual(["2"]);
  });
});

describe("a database given by URL", () => {
  const other = pathsOf(sandbox.home, "keeper", "other");
  const superuser = (database: string) => {
    const url = new URL(openSecrets(other).reveal("resource/database/url"));
    Object.assign(url, { username: "landfall", password: openSecrets(other).reveal("resource/database/superuser-password"), pathname: database });
    return url.href;
  };
  const given = (database: string, user: string) => Object.assign(new URL(superuser(database)), { username: user, password: "pw" }).href;

  beforeAll(async () => {
    await must("decommission", "local", "--yes");
    release("3");
    await must("commission", "other");
    await query(superuser("postgres"), "CREATE ROLE guest LOGIN PASSWORD 'pw'");
    await query(superuser("postgres"), "CREATE ROLE reader LOGIN PASSWORD 'pw'");
  });

  async function make(database: string, owner: string): Promise<void> {
    await query(superuser("postgres"), `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    await query(superuser("postgres"), `CREATE DATABASE ${database} OWNER ${owner}`);
  }

  async function begin(url: string, version: string): Promise<void> {
    release(version, ', url: { secret: "GIVEN_URL" }');
    openSecrets(paths).set("GIVEN_URL", url);
    await must("commission", "local");
    await deploy();
    expect(await deploy()).toMatchObject({ changed: false });
    expect(await runs(url)).toEqual([version]);
  }

  it("is migrated again after a reset of its schema, and after it was replaced", async () => {
    await make("shop", "guest");
    const url = given("shop", "guest");
    await begin(url, "4");
    await query(superuser("shop"), "DROP SCHEMA public CASCADE; CREATE SCHEMA public; ALTER SCHEMA public OWNER TO guest");
    expect(await deploy()).toMatchObject({ changed: true });
    expect(await runs(url)).toEqual(["4"]);
    await make("shop", "guest");
    await must("resume", "local");
    expect(await runs(url)).toEqual(["4"]);
  });

  it("that lets nobody write what it should remember is known by its identity", async () => {
    const prepare = async () => {
      await make("books", "landfall");
      await query(
        superuser("books"),
        "CREATE TABLE ran (version text); GRANT SELECT, INSERT ON ran TO reader; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
      );
    };
    await prepare();
    const url = given("books", "reader");
    await begin(url, "5");
    expect(await query(url, "SELECT to_regclass('landfall.phases') AS made")).toEqual([{ made: null }]);
    await prepare();
    expect(await deploy()).toMatchObject({ changed: true });
    expect(await runs(url)).toEqual(["5"]);
  });
});
