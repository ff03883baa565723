// Every minute: queues a digest of the minute before, and again whatever entries no worker has read.
import { setTimeout as sleep } from "node:timers/promises";
import { pool } from "./parts/database.js";
import { sendJob } from "./parts/queue.js";

const MINUTE_MS = 60_000;
const stopping = new AbortController();
for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT"])) process.on(signal, () => stopping.abort());

console.log("scheduling");
for (;;) {
  await sleep(MINUTE_MS - (Date.now() % MINUTE_MS), undefined, { signal: stopping.signal }).catch(() => {});
  if (stopping.signal.aborted) break;
  try {
    await queueMinute(new Date(Math.floor(Date.now() / MINUTE_MS - 1) * MINUTE_MS));
  } catch (error) {
    console.error("the minute was not queued:", error);
  }
}
await pool.end();
console.log("stopped");

/** @param {Date} minute */
async function queueMinute(minute) {
  await sendJob({ kind: "digest", minute: minute.toISOString() });
  const { rows } = await pool.query(
    "select id::int as id from entries where words is null and written_at < now() - interval '2 minutes' order by written_at limit 100",
  );
  for (const { id } of rows) await sendJob({ kind: "entry", id });
  console.log(`queued the digest of ${minute.toISOString()}${rows.length ? ` and ${rows.length} unread entries` : ""}`);
}
