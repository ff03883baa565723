import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type PreparedResource, removeSharedPrograms } from "../../../../src/targets/local/resources/index.ts";
import { answersKnock } from "../../../../src/targets/local/resources/knock.ts";
import { makeEnvironment, type TestEnvironment } from "./environment.ts";

const resources = { "main-database": { type: "postgres" } } as const;
const PROCESS = "resource.main-database";
const isRoot = process.getuid?.() === 0;

async function query(connectionString: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

describe("postgres", () => {
  let environment: TestEnvironment;
  let database: PreparedResource;
  let created: string[];
  let owner: string;
  let reader: string;

  beforeAll(async () => {
    environment = makeEnvironment();
    const up = await environment.bringUp(resources);
    [database] = up.resources as [PreparedResource];
    created = up.created;
    owner = environment.variable(database, "MAIN_DATABASE_URL");
    reader = environment.variable(database, "MAIN_DATABASE_READONLY_URL");
  });
  afterAll(() => environment.remove());

  it("makes a database with two users", async () => {
    expect(created).toEqual(['user "guest_book_main_database"', 'user "main_database_readonly"', 'database "guest_book_main_database"']);
    expect(database.address).toMatch(/^127\.0\.0\.1:\d+\/guest_book_main_database$/);
    expect(
      await query(
        owner,
        "SELECT current_user AS who, current_database() AS at, current_setting('server_encoding') AS text, current_setting('data_checksums') AS sums",
      ),
    ).toEqual([{ who: "guest_book_main_database", at: "guest_book_main_database", text: "UTF8", sums: "on" }]);
  });

  it("answers a knock without a word in its log, and not while it is stopped", async () => {
    const before = environment.output();
    expect(await answersKnock("postgres", database.address)).toBe(true);
    const postmaster = Number(readFileSync(join(environment.paths.data, "main-database", "pgdata", "postmaster.pid"), "utf8").split("\n")[0]);
    process.kill(postmaster, "SIGSTOP");
    expect(await answersKnock("postgres", database.address)).toBe(false);
    process.kill(postmaster, "SIGCONT");
    expect(await query(owner, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    expect(environment.output()).toBe(before);
  });

  it("lets the read-only user read what the owner makes later, and write nothing", async () => {
    await query(
      owner,
      "CREATE TABLE later (line text); INSERT INTO later VALUES ('hello'); CREATE SCHEMA extra; CREATE TABLE extra.more AS SELECT 1 AS n",
    );
    expect(await query(reader, "SELECT line FROM later")).toEqual([{ line: "hello" }]);
    expect(await query(reader, "SELECT n FROM extra.more")).toEqual([{ n: 1 }]);
    for (const write of [
      "INSERT INTO later VALUES ('x')",
      "DELETE FROM later",
      "CREATE TABLE mine (n int)",
      "CREATE TEMP TABLE mine (n int)",
      "TRUNCATE later",
    ]) {
      await expect(query(reader, write), write).rejects.toMatchObject({ code: "42501" });
    }
  });

  it("asks for the right password", async () => {
    const wrong = new URL(owner);
    wrong.password = "guess";
    await expect(query(wrong.href, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  });

  it("creates nothing the second time", async () => {
    expect((await environment.bringUp(resources)).created).toEqual([]);
    expect(environment.variable(database, "MAIN_DATABASE_URL")).toBe(owner);
  });

  it("keeps its data, port and URL over a restart", async () => {
    await query(owner, "CREATE TABLE kept AS SELECT 42 AS n");
    await environment.stop(PROCESS);
    expect((await environment.bringUp(resources)).created).toEqual([]);
    expect(await query(owner, "SELECT n FROM kept")).toEqual([{ n: 42 }]);
  });

  it("starts again after a kill -9 when its process id is another program's by then", async () => {
    await query(owner, "CREATE TABLE committed AS SELECT 7 AS n");
    await environment.stop(PROCESS, "SIGKILL");
    const stranger = spawn("sleep", ["600"], { uid: database.spec?.uid, gid: database.spec?.gid, stdio: "ignore" });
    try {
      await once(stranger, "spawn");
      const lockFile = join(environment.paths.data, "main-database", "pgdata", "postmaster.pid");
      const [, ...rest] = readFileSync(lockFile, "utf8").split("\n");
      writeFileSync(lockFile, [stranger.pid, ...rest].join("\n"));
      await environment.bringUp(resources);
      expect(await query(owner, "SELECT n FROM committed")).toEqual([{ n: 7 }]);
    } finally {
      stranger.kill();
    }
  });

  it("takes a password that was set anew", async () => {
    environment.secrets.set("resource/main-database/readonly-password", "another-password");
    await environment.bringUp(resources);
    expect(await query(environment.variable(database, "MAIN_DATABASE_READONLY_URL"), "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await expect(query(reader, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  });

  it("lets no password out into its arguments, its output or a file", () => {
    const passwords = ["password", "readonly-password", "superuser-password"].map((part) =>
      environment.secrets.reveal(`resource/main-database/${part}`),
    );
    const said = [environment.output(), JSON.stringify(database)];
    const files = readdirSync(environment.paths.environment, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const held = files.map((file) => readFileSync(join(file.parentPath, file.name), "latin1"));
    for (const password of passwords) for (const text of [...said, ...held]) expect(text.includes(password)).toBe(false);
  });

  it.runIf(isRoot)("keeps its data from all but its own user, and its programs in one shared place", () => {
    const folder = statSync(join(environment.paths.data, "main-database"));
    expect([folder.mode & 0o777, folder.uid]).toEqual([0o700, database.spec?.uid]);
    expect(database.spec?.uid).toBeGreaterThan(0);
    for (const path of [environment.home, environment.paths.environment, environment.paths.data]) expect(statSync(path).mode & 0o007).toBe(0o001);
    const { home } = environment;
    const programs = readdirSync(join(home, "programs")).filter((name) => !name.startsWith("user"));
    expect(programs).toEqual([expect.stringMatching(/^postgres-18\.4/)]);
  });
});

describe("a postgres given by URL", () => {
  let environment: TestEnvironment;
  afterEach(() => environment.remove());

  it("is asked to log in, and says what stands in the way", async () => {
    environment = makeEnvironment();
    const own = (await environment.bringUp(resources)).resources[0] as PreparedResource;
    const right = environment.variable(own, "MAIN_DATABASE_URL");
    environment.secrets.set("REMOTE_URL", right);
    const given = { given: { type: "postgres", url: { secret: "REMOTE_URL" } } } as const;

    const [resource] = (await environment.prepare(given)) as [PreparedResource];
    expect(resource.spec).toBeUndefined();
    expect(resource.variables).toEqual({ env: {}, secretEnv: { GIVEN_URL: "REMOTE_URL" } });
    await resource.ready();
    expect(await resource.establish()).toEqual({ created: [] });

    const wrong = Object.assign(new URL(right), { password: "guess" }).href;
    environment.secrets.set("REMOTE_URL", wrong);
    const failure = await resource.ready().catch((error) => error);
    expect(failure).toMatchObject({ code: "RESOURCE_FAILED", message: 'the postgres "given" did not accept the user and password' });
    expect(JSON.stringify(failure.parts)).not.toContain("guess");

    await environment.stop(PROCESS);
    await expect(resource.ready()).rejects.toMatchObject({ message: 'the postgres "given" refused the connection' });
    environment.secrets.set("REMOTE_URL", "postgres://someone:guess@nowhere.example.invalid/x");
    await expect(resource.ready()).rejects.toMatchObject({ message: 'the postgres "given" has a host name that was not found' });
    environment.secrets.set("REMOTE_URL", "localhost");
    await expect(resource.ready()).rejects.toMatchObject({ message: 'the postgres "given" has an address that is not a URL' });
  });

  it("puts a URL without password into the plain variables", async () => {
    environment = makeEnvironment();
    const [resource] = (await environment.prepare({ main: { type: "postgres", url: "postgres://reader@db.example/main" } })) as [PreparedResource];
    expect(resource).toMatchObject({
      address: "postgres://reader@db.example/main",
      variables: { env: { MAIN_URL: "postgres://reader@db.example/main" }, secretEnv: {} },
    });
  });
});

it.runIf(isRoot)(
  "removes the shared programs, and only a user that it made",
  async () => {
    const environment = makeEnvironment();
    try {
      await environment.prepare(resources);
      expect(removeSharedPrograms(environment.home)).toContainEqual(expect.stringContaining("postgres-18.4"));
      expect(readdirSync(environment.home)).toEqual(["apps"]);
    } finally {
      await environment.remove();
    }
  },
  120_000,
);
