// What a release phase, or else an instance, makes in a database by the database's own client, with a master user as RDS gives one: the owner of
// the database, and no superuser.
import { readFileSync } from "node:fs";
import { createConnection } from "mysql2/promise";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { secretName } from "../../src/targets/local/resources/resource.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { makeEnvironment, type TestEnvironment } from "../targets/local/resources/environment.ts";
import { MARIADB, MariaDb } from "../targets/local/resources/mariadb.ts";
import { Stage } from "./stage.ts";

const SOURCES = ["machine.sh", "environment.sh", "databases.sh"];
const MASTER = "mAster0password";
const READER = "rEader0password";
const GUEST = "gUest0password";

requires("Linux with bash, jq, psql and python3", process.platform === "linux" && ["bash", "jq", "psql", "python3"].every(isOnPath))(
  "databases of a release phase",
  () => {
    let environment: TestEnvironment;
    let stage: Stage;
    let address: string;

    beforeAll(async () => {
      environment = makeEnvironment();
      const { resources } = await environment.bringUp({ main: { type: "postgres", readOnlyUser: false } });
      address = resources[0]?.address?.split("/")[0] as string;
      const superuser = `postgres://landfall:${environment.secrets.reveal(secretName("main", "superuser-password"))}@${address}/postgres`;
      await query(superuser, `CREATE ROLE master LOGIN CREATEDB CREATEROLE PASSWORD '${MASTER}'`);
      stage = await new Stage().open();
      stage.write("aws/secretsmanager/arn:master", JSON.stringify({ username: "master", password: MASTER }));
      stage.write("aws/secretsmanager/arn:reader", JSON.stringify({ username: "reader", password: READER }));
      stage.settings.LANDFALL_PHASE_TIMEOUT_MS = "20000";
      stage.settings.LANDFALL_RESOURCES = `DATABASE_URL postgres arn:master ${address}/shop\nDATABASE_READONLY_URL postgres arn:reader ${address}/shop`;
    });
    afterAll(async () => {
      await stage?.close();
      await environment?.remove();
    });

    const as = (user: string, password: string) => `postgres://${user}:${password}@${address}/shop`;

    it("are made with a user that only reads, as often as it is said", async () => {
      expect(await stage.run("establish_databases", SOURCES)).toEqual({ code: 0, said: "" });
      await query(
        as("master", MASTER),
        "CREATE TABLE entries (line text); INSERT INTO entries VALUES ('hello'); CREATE SCHEMA more; CREATE TABLE more.two AS SELECT 2 AS n",
      );
      expect(await stage.run("establish_databases", SOURCES)).toEqual({ code: 0, said: "" });
      const reader = as("reader", READER);
      expect(await query(reader, "SELECT line FROM entries")).toEqual([{ line: "hello" }]);
      expect(await query(reader, "SELECT n FROM more.two")).toEqual([{ n: 2 }]);
      for (const write of ["INSERT INTO entries VALUES ('x')", "CREATE TABLE mine (n int)", "CREATE TEMP TABLE mine (n int)"])
        await expect(query(reader, write), write).rejects.toMatchObject({ code: "42501" });
      expect(stage.called().filter((line) => /0password/.test(line))).toEqual([]);
    });

    it("get a read-only user from the instances where no phase has made it, from all at once, and are left alone afterwards", async () => {
      stage.write("aws/secretsmanager/arn:guest", JSON.stringify({ username: "guest", password: GUEST }));
      const resources = `DATABASE_URL postgres arn:master ${address}/second\nDATABASE_READONLY_URL postgres arn:guest ${address}/second`;
      const before = { ...stage.settings };
      stage.settings.LANDFALL_RESOURCES = resources;
      const all = await Promise.all(Array.from({ length: 6 }, (_, index) => stage.run(`run=$run/${index}; establish_readers`, SOURCES)));
      expect(all).toEqual(all.map(() => ({ code: 0, said: "" })));
      expect(await query(`postgres://guest:${GUEST}@${address}/second`, "SELECT current_user AS who")).toEqual([{ who: "guest" }]);
      const version = () => query(as("master", MASTER), "SELECT xmin::text FROM pg_database WHERE datname = 'second'");
      const standing = await version();
      expect(await stage.run("establish_readers; ls -A $run", SOURCES)).toMatchObject({ code: 0, said: expect.not.stringContaining("making") });
      expect(await version()).toEqual(standing);
      stage.settings.LANDFALL_RESOURCES = resources.replaceAll(address, "127.0.0.1:1");
      expect(await stage.run("establish_readers", SOURCES)).toMatchObject({ code: 2, said: expect.stringContaining("Connection refused") });
      stage.settings = before;
    });

    it("are locked while a phase runs, and free once it has ended, however it has", async () => {
      const held = stage.run("take_lock; echo held; sleep 30", SOURCES);
      const holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted";
      await expect.poll(() => query(as("master", MASTER), holders), { timeout: 20_000 }).toHaveLength(1);
      stage.settings.LANDFALL_PHASE_TIMEOUT_MS = "500";
      expect(await stage.run("take_lock || echo refused; kill -9 0", SOURCES)).toMatchObject({
        said: "another release phase holds the lock\nrefused\n",
      });
      stage.kill();
      await held;
      await expect.poll(() => query(as("master", MASTER), holders), { timeout: 20_000 }).toHaveLength(0);
    });
  },
);

async function query(connectionString: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const result: unknown = await client.query(text);
    return (result as { rows: unknown[] }).rows;
  } finally {
    await client.end();
  }
}

const NEEDED = ["bash", "jq", "mysql", ...MARIADB];

requires(`Linux with ${NEEDED.join(", ")}`, process.platform === "linux" && NEEDED.every(isOnPath))("a mysql, here MariaDB", () => {
  const mariadb = new MariaDb();
  let stage: Stage;
  const resources = (port: number) => `SALES_URL mysql arn:master 127.0.0.1:${port}/app\nSALES_READONLY_URL mysql arn:reader 127.0.0.1:${port}/app`;

  beforeAll(async () => {
    await mariadb.open();
    await mariadb.ask(`CREATE USER master@'%' IDENTIFIED BY '${MASTER}' REQUIRE SSL`, "GRANT ALL ON *.* TO master@'%' WITH GRANT OPTION");
    await mariadb.restartWithTls();
    stage = await new Stage().open();
    stage.write("root/usr/local/share/landfall/rds.pem", readFileSync(mariadb.certificate));
    stage.write("aws/secretsmanager/arn:master", JSON.stringify({ username: "master", password: MASTER }));
    stage.write("aws/secretsmanager/arn:reader", JSON.stringify({ username: "readonly", password: READER }));
    stage.settings.LANDFALL_RESOURCES = resources(mariadb.port);
  });
  afterAll(async () => {
    await stage?.close();
    await mariadb.close();
  });

  it("gets a read-only user from the instances where no phase has made it, from all at once, and is left alone afterwards", async () => {
    const all = await Promise.all(Array.from({ length: 6 }, (_, index) => stage.run(`run=$run/${index}; establish_readers`, SOURCES)));
    expect(all).toEqual(all.map(() => ({ code: 0, said: "" })));
    await mariadb.ask("CREATE TABLE app.entries (line text)", "INSERT INTO app.entries VALUES ('hello')");
    const reader = await createConnection({ host: "127.0.0.1", port: mariadb.port, user: "readonly", password: READER, database: "app" });
    const [rows] = await reader.query("SELECT line FROM entries");
    expect(rows).toEqual([{ line: "hello" }]);
    await expect(reader.query("INSERT INTO entries VALUES ('x')")).rejects.toMatchObject({ errno: 1142 });
    await reader.end();
    // Who may log in is not asked of the master any more: its password may be another by now.
    stage.write("aws/secretsmanager/arn:master", JSON.stringify({ username: "master", password: "other" }));
    expect(await stage.run("establish_readers", SOURCES)).toEqual({ code: 0, said: "" });
    expect(stage.called().filter((line) => /0password/.test(line))).toEqual([]);
  });

  it("that does not answer is said", async () => {
    stage.settings.LANDFALL_RESOURCES = resources(1);
    expect(await stage.run("establish_readers", SOURCES)).toMatchObject({
      code: 1,
      said: expect.stringMatching(/Can't connect to server on '127.0.0.1'/),
    });
  });
});
