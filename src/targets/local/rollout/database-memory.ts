// The database's own record of the release phases that ran on it: a table in a schema of its own, so that it comes and goes with the data,
// through a restore, a reset or another database at the same URL. One that lets us write nothing is known by its identity instead.

import type pg from "pg";
import { codeOf } from "../../../error.ts";
import type { Resource } from "../../../resources/index.ts";
import { hidePasswords } from "../../../text/mask.ts";
import type { PhaseRun } from "../data/data-record.ts";

import { withClient } from "../resources/postgres-users.ts";

export interface Database {
  name: string;
  type: Resource["type"];
  url: string;
}

type Phase = Pick<PhaseRun, "phase" | "release">;

export interface Memory {
  identity: string;
  phases: Phase[];
}

/** No right to make or to read the table, or a server or a transaction that only reads. */
const UNWRITABLE = ["42501", "25006"];

/** What it remembers. Rejects when it does not answer. Of any other than Postgres only its address is known. */
export async function askMemory({ type, url }: Database): Promise<Memory> {
  if (type !== "postgres") return { identity: hidePasswords(url), phases: [] };
  return withClient(url, async (client) => {
    const anchor = await findAnchor(client);
    const identity = `${await findCluster(client)}/${anchor}`;
    return { identity, phases: await loadPhases(client, anchor) };
  });
}

/** Writes a phase into the database, and says whether it is remembered there; else who the database is. */
export async function keepInMemory({ type, url }: Database, { phase, release }: Phase): Promise<PhaseRun["on"][string]> {
  if (type !== "postgres") return { identity: hidePasswords(url) };
  return withClient(url, async (client) => {
    const anchor = await findAnchor(client);
    try {
      await insert(client, anchor, { phase, release });
      return "remembers";
    } catch (error) {
      if (!UNWRITABLE.includes(codeOf(error) ?? "")) throw error;
      return { identity: `${await findCluster(client)}/${anchor}` };
    }
  });
}

/**
 * The database and the schema that the app's tables are made in, by numbers that no other ever has in the cluster. A schema that was
 * dropped and made again, as a reset does, is another one, although the table in ours is still there.
 */
async function findAnchor(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ anchor: string }>(
    "SELECT d.oid || '/' || coalesce(n.oid::text, 'none') AS anchor FROM pg_database d LEFT JOIN pg_namespace n ON n.nspname = current_schema() WHERE d.datname = current_database()",
  );
  return rows[0]?.anchor ?? "";
}

/** With its timeline, which a recovery to an earlier moment makes anew. Empty where a provider lets nobody ask. */
async function findCluster(client: pg.Client): Promise<string> {
  try {
    const { rows } = await client.query<{ id: string }>(
      "SELECT s.system_identifier || '.' || c.timeline_id AS id FROM pg_control_system() s, pg_control_checkpoint() c",
    );
    return rows[0]?.id ?? "";
  } catch {
    return "";
  }
}

async function loadPhases(client: pg.Client, anchor: string): Promise<Phase[]> {
  try {
    return (await client.query<Phase>("SELECT phase, release FROM landfall.phases WHERE anchor = $1", [anchor])).rows;
  } catch (error) {
    // No such schema, no such table, or none that we may read.
    if (["3F000", "42P01", "42501"].includes(codeOf(error) ?? "")) return [];
    throw error;
  }
}

async function insert(client: pg.Client, anchor: string, { phase, release }: Phase): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>("SELECT to_regclass('landfall.phases') IS NOT NULL AS there");
  // Making what is there asks for the right to make it, which an administrator may have used for us before.
  if (!rows[0]?.there) await client.query(TABLE);
  await client.query(
    "INSERT INTO landfall.phases (phase, release, anchor) VALUES ($1, $2, $3) ON CONFLICT (phase, release) DO UPDATE SET anchor = excluded.anchor, ran_at = now()",
    [phase, release, anchor],
  );
}

const TABLE = `
CREATE SCHEMA IF NOT EXISTS landfall;
CREATE TABLE IF NOT EXISTS landfall.phases (
  phase text,
  release text,
  anchor text NOT NULL,
  ran_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (phase, release)
)`;
