// Reading requests and writing answers.

/** An answer other than 200 that is decided deep in the work. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} message shown to the visitor
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * The whole body, refused beyond the limit.
 * @param {import("node:http").IncomingMessage} request
 * @param {number} bytesMax
 */
export async function readBody(request, bytesMax) {
  const tooLarge = new Refusal(413, `At most ${bytesMax} bytes are taken.`);
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw tooLarge;
  /** @type {Buffer[]} */
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > bytesMax) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The fields of a form or of a JSON object, and the picture of a form.
 * @param {import("node:http").IncomingMessage} request
 * @param {Buffer} body
 * @returns {Promise<{ name: string, message: string, picture?: Uint8Array }>}
 */
export async function parseEntry(request, body) {
  const type = request.headers["content-type"] ?? "";
  const fields = type.startsWith("application/json") ? parseObject(body) : await parseForm(type, body);
  const picture = fields.picture instanceof Blob && fields.picture.size > 0 ? new Uint8Array(await fields.picture.arrayBuffer()) : undefined;
  return { name: textOf(fields.name), message: textOf(fields.message), picture };
}

/** Browsers send line breaks as CR LF; one kind is kept. @param {unknown} value */
const textOf = (value) => (typeof value === "string" ? value.replaceAll("\r\n", "\n").trim() : "");

/** @param {Buffer} body @returns {Record<string, unknown>} */
function parseObject(body) {
  try {
    return Object(JSON.parse(body.toString()));
  } catch {
    throw new Refusal(400, "The body is not JSON.");
  }
}

/** @param {string} type @param {Buffer} body @returns {Promise<Record<string, unknown>>} */
async function parseForm(type, body) {
  try {
    const form = await new Response(new Uint8Array(body), { headers: { "content-type": type } }).formData();
    return Object.fromEntries(form);
  } catch {
    throw new Refusal(415, "The body is neither a form nor JSON.");
  }
}

/**
 * @param {import("node:http").ServerResponse} response
 * @param {number} status
 * @param {string | Uint8Array} body
 * @param {Record<string, string>} headers
 */
export function answer(response, status, body, headers = {}) {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(body), ...headers });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

/**
 * @param {import("node:http").ServerResponse} response
 * @param {number} status
 * @param {unknown} value
 */
export const answerJson = (response, status, value) => answer(response, status, JSON.stringify(value), { "content-type": "application/json" });
