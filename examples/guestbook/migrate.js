// Brings the database to the newest version: each file of migrations/ once, in the order of its number, in a transaction.
import { readdir, readFile } from "node:fs/promises";
import pg from "pg";

/** Any constant will do; it only has to be the same in every run of this program. */
const LOCK = 7_203_114;

const folder = new URL("./migrations/", import.meta.url);
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
try {
  // Two runs at once would both see the same file as new; the second waits here until the first is through.
  await client.query("select pg_advisory_lock($1)", [LOCK]);
  await client.query("create table if not exists migrations (name text primary key, done_at timestamptz not null default now())");
  const done = new Set((await client.query("select name from migrations")).rows.map((row) => row.name));
  const files = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  for (const name of files.filter((file) => !done.has(file))) await migrate(name);
  console.log(`the database is at ${files.at(-1)}`);
} finally {
  await client.end();
}

/** @param {string} name */
async function migrate(name) {
  await client.query("begin");
  await client.query(await readFile(new URL(name, folder), "utf8"));
  await client.query("insert into migrations (name) values ($1)", [name]);
  await client.query("commit");
  console.log(`migrated ${name}`);
}
