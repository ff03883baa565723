// What a release phase makes in a Postgres, by psql, with a master user as RDS gives one: the owner of the database, and no superuser.
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { secretName } from "../../src/targets/local/resources/resource.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { makeEnvironment, type TestEnvironment } from "../targets/local/resources/environment.ts";
import { Stage } from "./stage.ts";

const SOURCES = ["machine.sh", "environment.sh", "databases.sh"];
const MASTER = "mAster0password";
const READER = "rEader0password";

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
      expect(await stage.run("establish_databases", SOURCES)).toEqual({ code: 0, said: 'database "shop" made\n' });
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
