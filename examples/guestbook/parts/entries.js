import { pool } from "./database.js";
import { sendJob } from "./queue.js";

export const NAME_LENGTH_MAX = 80;
export const MESSAGE_LENGTH_MAX = 1000;

/**
 * @typedef {{ id: number, name: string, message: string, picture: string | null, writtenAt: string, words: number | null }} Entry
 * @typedef {{ name: string, message: string, picture?: string | null }} NewEntry
 */

const COLUMNS = `id::int as id, name, message, picture, to_char(written_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "writtenAt", words`;

/**
 * The first thing wrong with what a visitor typed, in words for the page; undefined when all is well.
 * @param {NewEntry} entry
 */
export function findFault({ name, message }) {
  if (!name) return "Please write your name.";
  if (name.length > NAME_LENGTH_MAX) return `Your name may have ${NAME_LENGTH_MAX} characters at most.`;
  if (!message) return "Please write a message.";
  if (message.length > MESSAGE_LENGTH_MAX) return `Your message may have ${MESSAGE_LENGTH_MAX} characters at most.`;
  if (`${name}${message}`.includes("\0")) return "Your message holds a character that cannot be kept.";
  return undefined;
}

/**
 * Writes the entry, tells every web instance, and hands it to a worker.
 * @param {NewEntry} entry
 * @returns {Promise<Entry>}
 */
export async function addEntry({ name, message, picture = null }) {
  const { rows } = await pool.query(
    `with added as (insert into entries (name, message, picture) values ($1, $2, $3) returning *),
          told as (select pg_notify('entries', id::text) from added)
     select ${COLUMNS} from added, told`,
    [name, message, picture],
  );
  // The entry stands already. If the queue is away, the scheduler finds the entry unread and queues it later.
  await sendJob({ kind: "entry", id: rows[0].id }).catch((error) => console.error(`entry ${rows[0].id} not queued: ${error.message}`));
  return rows[0];
}

/** @returns {Promise<Entry[]>} */
export async function loadLatest(limit = 30) {
  return (
    await pool.query({ name: "latest", text: `select ${COLUMNS} from entries where not hidden order by entries.id desc limit $1`, values: [limit] })
  ).rows;
}

/**
 * @param {number} id
 * @returns {Promise<Entry | undefined>}
 */
export async function loadEntry(id) {
  return (await pool.query(`select ${COLUMNS} from entries where id = $1 and not hidden`, [id])).rows[0];
}
