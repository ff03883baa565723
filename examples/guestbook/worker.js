// Reads entries as they come: counts their words, hides those that look like advertising, and adds up digests.
import { setTimeout as sleep } from "node:timers/promises";
import { pool } from "./parts/database.js";
import { receiveJob } from "./parts/queue.js";

const LINKS_MAX = 3;
const stopping = new AbortController();

for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT"])) {
  process.on(signal, () => {
    console.log("stopping: finishing the job in hand");
    stopping.abort();
  });
}

console.log("waiting for jobs");
// Only the waiting is cut short by a signal; a job that was received is always finished.
while (!stopping.signal.aborted) {
  try {
    const received = await receiveJob(stopping.signal);
    if (!received) continue;
    await perform(received.job);
    await received.done();
  } catch (error) {
    if (stopping.signal.aborted) break;
    // The message was not deleted: the queue delivers it again, and sets it aside after some tries.
    console.error("job failed:", error);
    await sleep(1_000, undefined, { signal: stopping.signal }).catch(() => {});
  }
}
await pool.end();
console.log("stopped");

/**
 * Every job may be delivered twice, so each one leaves the same result when it is done again.
 * @param {import("./parts/queue.js").Job} job
 */
async function perform(job) {
  if (job.kind === "entry") return readEntry(job.id);
  if (job.kind === "digest") return writeDigest(job.minute);
  throw new Error(`a job of a kind this release does not know: ${JSON.stringify(job)}`);
}

/** @param {number} id */
async function readEntry(id) {
  const { rows } = await pool.query("select message from entries where id = $1", [id]);
  if (!rows[0]) return;
  const words = rows[0].message.split(/\s+/u).filter(Boolean).length;
  const links = rows[0].message.match(/https?:\/\//g)?.length ?? 0;
  await pool.query("update entries set words = $2, hidden = $3 where id = $1", [id, words, links > LINKS_MAX]);
  console.log(`entry ${id}: ${words} words${links > LINKS_MAX ? ", hidden" : ""}`);
}

/** @param {string} minute */
async function writeDigest(minute) {
  const { rows } = await pool.query(
    `insert into digests (minute, entries, words)
     select $1::timestamptz, count(*), coalesce(sum(words), 0) from entries
      where written_at >= $1::timestamptz and written_at < $1::timestamptz + interval '1 minute'
     on conflict (minute) do update set entries = excluded.entries, words = excluded.words
     returning entries, words`,
    [minute],
  );
  console.log(`digest of ${minute}: ${rows[0].entries} entries, ${rows[0].words} words`);
}
