// A database given by URL, asked of a real MariaDB.
import { afterAll, beforeAll, expect, it } from "vitest";
import type { PreparedResource } from "../../../../src/targets/local/resources/index.ts";
import { isOnPath } from "../../../programs.ts";
import { requires } from "../../../skips.ts";
import { makeEnvironment, type TestEnvironment } from "./environment.ts";
import { MARIADB, MariaDb } from "./mariadb.ts";

const PASSWORD = "p ss/%4";

requires(MARIADB.join(", "), MARIADB.every(isOnPath))("a mysql given by URL", () => {
  const mariadb = new MariaDb();
  let environment: TestEnvironment;

  beforeAll(async () => {
    environment = makeEnvironment();
    await mariadb.open();
    await mariadb.ask("CREATE DATABASE shop", `CREATE USER ann@'%' IDENTIFIED BY '${PASSWORD}'`, "GRANT ALL ON *.* TO ann@'%'");
  });
  afterAll(async () => {
    await mariadb.close();
    await environment.remove();
  });

  const give = async (login: string, database = "shop") => {
    const url = `mysql://${login}@127.0.0.1:${mariadb.port}/${database}`;
    return (await environment.prepare({ sales: { type: "mysql", url } }))[0] as PreparedResource;
  };
  const ann = `ann:${encodeURIComponent(PASSWORD)}`;

  it("answers whom it lets in, with a database and without", async () => {
    await (await give(ann)).ready();
    await (await give(ann, "")).ready();
  });

  it.each(["ann:wrong", "ann", "nobody:wrong"])("does not answer %s, and is named without the password", async (login) => {
    const refused = await (await give(login)).ready().catch((error) => error);
    expect(refused).toMatchObject({ code: "RESOURCE_FAILED", message: 'the mysql "sales" did not accept the user and password' });
    expect(JSON.stringify(refused.parts)).not.toContain("wrong");
  });

  it("must have the database", async () => {
    await expect((await give(ann, "none")).ready()).rejects.toMatchObject({ message: 'the mysql "sales" has no such database' });
  });

  it("that hangs does not answer", async () => {
    mariadb.server?.kill("SIGSTOP");
    try {
      await expect((await give(ann)).ready()).rejects.toMatchObject({ message: 'the mysql "sales" did not answer in time' });
    } finally {
      mariadb.server?.kill("SIGCONT");
    }
  });

  it("is asked with TLS where it has it: it may let nobody in otherwise", async () => {
    await mariadb.ask("ALTER USER ann@'%' REQUIRE SSL", "FLUSH PRIVILEGES");
    await expect((await give(ann)).ready()).rejects.toMatchObject({ message: 'the mysql "sales" did not accept the user and password' });
    await mariadb.restartWithTls();
    await (await give(ann)).ready();
    await expect((await give("ann:wrong")).ready()).rejects.toMatchObject({ message: 'the mysql "sales" did not accept the user and password' });
  });
});
