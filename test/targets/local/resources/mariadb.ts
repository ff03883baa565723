// A real MariaDB, with a certificate of its own that it uses when it is told to.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import { findFreePort } from "../../../../src/system/network.ts";

/** The programs that it takes. */
export const MARIADB = ["mariadbd", "my_print_defaults", "openssl"];

export class MariaDb {
  readonly #folder = mkdtempSync(join(tmpdir(), "landfall-mariadb-"));
  readonly #data = join(this.#folder, "data");
  readonly #key = join(this.#folder, "key.pem");
  readonly #user = `--user=${userInfo().username}`;
  /** PEM, for the address 127.0.0.1. */
  readonly certificate = join(this.#folder, "certificate.pem");
  /** Its process, to be stopped and continued. */
  server: ChildProcess | undefined;
  port = 0;

  /** Made, and started without TLS. */
  async open(): Promise<this> {
    this.port = await findFreePort();
    const subject = ["-subj", "/CN=database", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1", "-nodes"];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-keyout", this.#key, "-out", this.certificate, ...subject], { stdio: "ignore" });
    const options = ["--no-defaults", `--datadir=${this.#data}`, "--auth-root-authentication-method=normal", "--skip-test-db", this.#user];
    execFileSync("mariadb-install-db", options, { stdio: "ignore" });
    await this.#start("--skip-ssl");
    return this;
  }

  async restartWithTls(): Promise<void> {
    await this.#stop();
    await this.#start(`--ssl-cert=${this.certificate}`, `--ssl-key=${this.#key}`);
  }

  async close(): Promise<void> {
    await this.#stop();
    rmSync(this.#folder, { recursive: true });
  }

  /** By root. */
  async ask(...statements: string[]): Promise<void> {
    for (let tries = 300; ; tries--) {
      try {
        const root = await createConnection({ host: "127.0.0.1", port: this.port, user: "root" });
        for (const statement of statements) await root.query(statement);
        return await root.end();
      } catch (error) {
        if (tries === 0) throw error;
        await sleep(100);
      }
    }
  }

  async #start(...options: string[]): Promise<void> {
    const where = [`--datadir=${this.#data}`, `--socket=${join(this.#folder, "socket")}`, `--port=${this.port}`, "--bind-address=127.0.0.1"];
    this.server = spawn("mariadbd", ["--no-defaults", ...where, this.#user, ...options], { stdio: "ignore" });
    await this.ask();
  }

  async #stop(): Promise<void> {
    if (!this.server) return;
    const ended = once(this.server, "exit");
    this.server.kill("SIGKILL");
    await ended;
  }
}
