// A database given by URL, asked of a real MariaDB.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findFreePort } from "../../../../src/system/network.ts";
import type { PreparedResource } from "../../../../src/targets/local/resources/index.ts";
import { isOnPath } from "../../../programs.ts";
import { requires } from "../../../skips.ts";
import { makeEnvironment, type TestEnvironment } from "./environment.ts";

const PASSWORD = "p ss/%4";

const NEEDED = ["mariadbd", "my_print_defaults", "openssl"];

requires(NEEDED.join(", "), NEEDED.every(isOnPath))("a mysql given by URL", () => {
  const folder = mkdtempSync(join(tmpdir(), "landfall-mariadb-"));
  const [data, key, certificate] = ["data", "key.pem", "certificate.pem"].map((name) => join(folder, name)) as [string, string, string];
  const user = `--user=${userInfo().username}`;
  let server: ChildProcess | undefined;
  let port: number;
  let environment: TestEnvironment;

  beforeAll(async () => {
    environment = makeEnvironment();
    port = await findFreePort();
    const subject = ["-subj", "/CN=database", "-days", "1", "-nodes"];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-out", certificate, ...subject], { stdio: "ignore" });
    const options = ["--no-defaults", `--datadir=${data}`, "--auth-root-authentication-method=normal", "--skip-test-db", user];
    execFileSync("mariadb-install-db", options, { stdio: "ignore" });
    await start("--skip-ssl");
    await ask("CREATE DATABASE shop", `CREATE USER ann@'%' IDENTIFIED BY '${PASSWORD}'`, "GRANT ALL ON *.* TO ann@'%'");
  });
  afterAll(async () => {
    await stop();
    rmSync(folder, { recursive: true });
    await environment.remove();
  });

  async function start(...options: string[]): Promise<void> {
    const where = [`--datadir=${data}`, `--socket=${join(folder, "socket")}`, `--port=${port}`, "--bind-address=127.0.0.1", user];
    server = spawn("mariadbd", ["--no-defaults", ...where, ...options], { stdio: "ignore" });
    await ask();
  }

  async function stop(): Promise<void> {
    if (!server) return;
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
  }

  async function ask(...statements: string[]): Promise<void> {
    for (let tries = 300; ; tries--) {
      try {
        const root = await createConnection({ host: "127.0.0.1", port, user: "root" });
        for (const statement of statements) await root.query(statement);
        return await root.end();
      } catch (error) {
        if (tries === 0) throw error;
        await sleep(100);
      }
    }
  }

  const give = async (login: string, database = "shop") => {
    const url = `mysql://${login}@127.0.0.1:${port}/${database}`;
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
    server?.kill("SIGSTOP");
    try {
      await expect((await give(ann)).ready()).rejects.toMatchObject({ message: 'the mysql "sales" did not answer in time' });
    } finally {
      server?.kill("SIGCONT");
    }
  });

  it("is asked with TLS where it has it: it may let nobody in otherwise", async () => {
    await ask("ALTER USER ann@'%' REQUIRE SSL", "FLUSH PRIVILEGES");
    await expect((await give(ann)).ready()).rejects.toMatchObject({ message: 'the mysql "sales" did not accept the user and password' });
    await stop();
    await start(`--ssl-cert=${certificate}`, `--ssl-key=${key}`);
    await (await give(ann)).ready();
    await expect((await give("ann:wrong")).ready()).rejects.toMatchObject({ message: 'the mysql "sales" did not accept the user and password' });
  });
});
