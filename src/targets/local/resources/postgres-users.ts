// The contents of a Postgres: the database and its two users. Passwords go over as SCRAM verifiers, never as text, so that no
// log of statements can hold one.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import pg from "pg";

const ITERATIONS = 4096;

export interface DatabaseUsers {
  database: string;
  owner: { user: string; password: string };
  readOnly?: { user: string; password: string };
}

/**
 * Makes the database, its owner and, if wanted, a user that can only read. Idempotent; returns what it created. `refuse` is asked before
 * a database is made, and throws where there was one.
 */
export async function establishDatabase(superuserUrl: (database: string) => string, users: DatabaseUsers, refuse: () => void): Promise<string[]> {
  const created: string[] = [];
  await withClient(superuserUrl("postgres"), async (client) => {
    for (const { user, password } of [users.owner, ...(users.readOnly ? [users.readOnly] : [])]) {
      if (await ensureUser(client, user, password)) created.push(`user "${user}"`);
    }
    if (await ensureDatabase(client, users, refuse)) created.push(`database "${users.database}"`);
  });
  await withClient(superuserUrl(users.database), (client) => grant(client, users));
  return created;
}

/** Runs `act` with a connection and closes it. */
export async function withClient<T>(connectionString: string, act: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 });
  // A server that goes away in between is an event as well as a rejection; only the rejection counts.
  client.on("error", () => {});
  try {
    await client.connect();
    return await act(client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function ensureUser(client: pg.Client, user: string, password: string): Promise<boolean> {
  const name = pg.escapeIdentifier(user);
  const { rows } = await client.query<{ rolpassword: string | null }>("SELECT rolpassword FROM pg_authid WHERE rolname = $1", [user]);
  if (rows.length === 0)
    await client.query(`CREATE ROLE ${name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD ${pg.escapeLiteral(makeVerifier(password))}`);
  else if (!verifies(password, rows[0]?.rolpassword ?? ""))
    await client.query(`ALTER ROLE ${name} LOGIN PASSWORD ${pg.escapeLiteral(makeVerifier(password))}`);
  return rows.length === 0;
}

async function ensureDatabase(client: pg.Client, { database, owner }: DatabaseUsers, refuse: () => void): Promise<boolean> {
  const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [database]);
  if (rowCount) return false;
  refuse();
  await client.query(`CREATE DATABASE ${pg.escapeIdentifier(database)} OWNER ${pg.escapeIdentifier(owner.user)}`);
  return true;
}

/** Grants say the same however often they are given, so they are given each time: a new schema or user needs no case of its own. */
async function grant(client: pg.Client, { database, owner, readOnly }: DatabaseUsers): Promise<void> {
  const [databaseName, ownerName] = [pg.escapeIdentifier(database), pg.escapeIdentifier(owner.user)];
  await client.query(`REVOKE ALL ON DATABASE ${databaseName} FROM PUBLIC`);
  await client.query(`ALTER SCHEMA public OWNER TO ${ownerName}`);
  if (!readOnly) return;
  const reader = pg.escapeIdentifier(readOnly.user);
  await client.query(`GRANT CONNECT ON DATABASE ${databaseName} TO ${reader}`);
  const { rows } = await client.query<{ nspname: string }>(
    "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'",
  );
  for (const schema of rows.map((row) => pg.escapeIdentifier(row.nspname))) {
    await client.query(`GRANT USAGE ON SCHEMA ${schema} TO ${reader}`);
    await client.query(`GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${reader}`);
    await client.query(`GRANT SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO ${reader}`);
  }
  for (const what of ["SELECT ON TABLES", "SELECT ON SEQUENCES", "USAGE ON SCHEMAS"]) {
    await client.query(`ALTER DEFAULT PRIVILEGES FOR ROLE ${ownerName} GRANT ${what} TO ${reader}`);
  }
}

/** What Postgres stores of a password (RFC 5802, RFC 7677; the format is described with pg_authid). */
export function makeVerifier(password: string, salt = randomBytes(16), iterations = ITERATIONS): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const stored = createHash("sha256").update(clientKey).digest("base64");
  const server = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${stored}:${server}`;
}

function verifies(password: string, verifier: string): boolean {
  const [, iterations, salt] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/.exec(verifier) ?? [];
  return salt !== undefined && makeVerifier(password, Buffer.from(salt, "base64"), Number(iterations)) === verifier;
}
