import pg from "pg";

/** One pool per process. Eight connections: three web instances, doubled while a rollout is under way, stay far below Postgres' 100. */
export const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  max: 8,
  connectionTimeoutMillis: 5_000,
  application_name: `guestbook ${process.env.LANDFALL_INSTANCE ?? ""}`.trim(),
});

// An idle connection that breaks is replaced by the pool; without a listener it would end the process.
pool.on("error", (error) => console.error(`database connection lost: ${error.message}`));

/** What /ready may tell anyone: words for the usual causes, never an address or a user. */
const CAUSES = /** @type {Record<string, string>} */ ({
  "28P01": "password rejected",
  28000: "user rejected",
  "3D000": "no such database",
  "42P01": "a table is missing",
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "host unknown",
});

/** Undefined when the database answers, else why it does not. */
export async function findDatabaseProblem() {
  try {
    await pool.query({ text: "select 1 from entries limit 1" });
    return undefined;
  } catch (error) {
    const { code } = /** @type {{ code?: string }} */ (error);
    return CAUSES[code ?? ""] ?? (code ? `error ${code}` : "no answer");
  }
}

/**
 * Calls `hear` for each notification of a channel, and connects again after a break, until the signal aborts.
 * @param {string} channel
 * @param {(payload: string) => void} hear
 * @param {AbortSignal} signal
 */
export function listen(channel, hear, signal) {
  /** @type {pg.Client | undefined} */
  let client;
  const connect = async () => {
    if (signal.aborted) return;
    client = new pg.Client({ connectionString: process.env.DATABASE_URL });
    const again = () => setTimeout(connect, 1_000).unref();
    client.once("end", again);
    client.on("error", (error) => console.error(`listening to ${channel}: ${error.message}`));
    client.on("notification", (notification) => hear(notification.payload ?? ""));
    try {
      await client.connect();
      await client.query(`listen ${channel}`);
    } catch {
      await client.end().catch(() => {});
    }
  };
  signal.addEventListener("abort", () => client?.end().catch(() => {}));
  void connect();
}
