// Nightly: forgets old digests, entries beyond the newest ten thousand, and pictures that no entry shows.
import { pool } from "./parts/database.js";
import { listPictures, removePicture } from "./parts/pictures.js";

const ENTRIES_MAX = 10_000;
/** A picture is kept a moment before its entry is written; a day is far more than that. */
const PICTURE_AGE_MS_MIN = 24 * 60 * 60 * 1_000;

const digests = await pool.query("delete from digests where minute < now() - interval '7 days'");
const entries = await pool.query("delete from entries where id <= (select id from entries order by id desc offset $1 limit 1)", [ENTRIES_MAX]);
const shown = new Set((await pool.query("select picture from entries where picture is not null")).rows.map((row) => row.picture));
let pictures = 0;
for await (const { name, keptAt } of listPictures()) {
  if (shown.has(name) || Date.now() - keptAt.getTime() < PICTURE_AGE_MS_MIN) continue;
  await removePicture(name);
  pictures += 1;
}
console.log(`cleaned ${digests.rowCount} digests, ${entries.rowCount} entries, ${pictures} pictures`);
await pool.end();
