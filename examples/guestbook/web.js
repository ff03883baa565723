// The web service: routes, and how it lets go when it is asked to stop.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { answerAsset, assets } from "./parts/assets.js";
import { findDatabaseProblem, listen, pool } from "./parts/database.js";
import { addEntry, findFault, loadEntry, loadLatest } from "./parts/entries.js";
import { makeLive } from "./parts/live.js";
import { describePage } from "./parts/page.js";
import { keepPicture, loadPicture, PICTURE_BYTES_MAX } from "./parts/pictures.js";
import { answer, answerJson, parseEntry, Refusal, readBody } from "./parts/requests.js";

const release = process.env.LANDFALL_RELEASE ?? "development";
const live = makeLive({ release });
const stopping = new AbortController();
let uploadsInHand = 0;
let draining = false;

/**
 * @typedef {import("node:http").IncomingMessage} Request
 * @typedef {import("node:http").ServerResponse} Answer
 * @typedef {(request: Request, response: Answer, url: URL) => void | Promise<void>} Handler
 */

/** @type {[string, RegExp, Handler][]} */
const handlers = [
  ["GET", /^\/$/, showPage],
  ["POST", /^\/entries$/, takeEntry],
  ["GET", /^\/entries\.json$/, async (_, response) => answerJson(response, 200, await loadLatest())],
  ["GET", /^\/entries\/\d{1,9}$/, showEntry],
  ["POST", /^\/pictures$/, takePicture],
  ["GET", /^\/pictures\//, showPicture],
  ["GET", /^\/assets\//, (_, response, url) => answerAsset(response, url.pathname.slice("/assets/".length))],
  ["GET", /^\/slow$/, stream],
  ["GET", /^\/ready$/, tellReady],
  ["GET", /^\/deploy\/ready$/, tellWhetherStopSuits],
  ["POST", /^\/deploy\/drain$/, (_, response) => (drain(), answer(response, 200, "draining\n"))],
];

const server = createServer(async (request, response) => {
  response.setHeader("x-landfall-release", release);
  // Told while draining, so that the balancer's kept connections end by themselves.
  if (draining) response.setHeader("connection", "close");
  // An answer that began before says "keep-alive"; its connection would hold the process up once it is idle.
  response.once("close", () => stopping.signal.aborted && setImmediate(() => server.closeIdleConnections()));
  try {
    await handle(request, response);
  } catch (error) {
    if (response.headersSent || response.destroyed) return void response.destroy();
    if (error instanceof Refusal) return answer(response, error.status, `${error.message}\n`, { connection: "close" });
    console.error(`${request.method} ${request.url}:`, error);
    answer(response, 500, "Something went wrong here. Please try again.\n");
  }
});

/** @param {Request} request @param {Answer} response */
async function handle(request, response) {
  const url = new URL(request.url ?? "/", "http://guestbook");
  const method = request.method === "HEAD" ? "GET" : request.method;
  const matching = handlers.filter(([, path]) => path.test(url.pathname));
  const handler = matching.find(([of]) => of === method)?.[2];
  if (handler) return handler(request, response, url);
  if (matching[0]) return answer(response, 405, "This address does not take that method.\n", { allow: matching.map(([of]) => of).join(", ") });
  answer(response, 404, "There is nothing here.\n");
}

/** @type {Handler} */
async function showPage(_, response) {
  answerPage(response, 200, { entries: await loadLatest() });
}

/**
 * @param {Answer} response
 * @param {number} status
 * @param {Pick<Parameters<typeof describePage>[0], "entries" | "fault" | "typed">} facts
 */
function answerPage(response, status, facts) {
  answer(response, status, describePage({ assets, release, ...facts }), {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  });
}

/** A form is answered with the page, JSON with JSON. @type {Handler} */
async function takeEntry(request, response) {
  refuseOtherSites(request);
  const speaksJson = (request.headers["content-type"] ?? "").startsWith("application/json");
  const { picture, ...typed } = await parseEntry(request, await readBody(request, PICTURE_BYTES_MAX + 20_000));
  const fault = findFault(typed);
  if (fault) return speaksJson ? answerJson(response, 422, { fault }) : answerPage(response, 422, { entries: await loadLatest(), fault, typed });
  const entry = await addEntry({ ...typed, picture: picture && (await keepKnownPicture(picture)) });
  if (speaksJson) return answerJson(response, 201, entry);
  answer(response, 303, "", { location: `/#entry-${entry.id}` });
}

/** @type {Handler} */
async function showEntry(_, response, url) {
  const entry = await loadEntry(Number(url.pathname.slice("/entries/".length)));
  entry ? answerJson(response, 200, entry) : answer(response, 404, "There is no such entry.\n");
}

/** @type {Handler} */
async function takePicture(request, response) {
  refuseOtherSites(request);
  const name = await keepKnownPicture(await readBody(request, PICTURE_BYTES_MAX));
  answerJson(response, 201, { picture: name, url: `/pictures/${name}` });
}

/** @param {Uint8Array} bytes */
async function keepKnownPicture(bytes) {
  if (bytes.length > PICTURE_BYTES_MAX) throw new Refusal(413, `A picture may have ${PICTURE_BYTES_MAX} bytes at most.`);
  uploadsInHand += 1;
  try {
    const name = await keepPicture(bytes);
    if (!name) throw new Refusal(415, "Pictures may be PNG, JPEG, GIF or WebP.");
    return name;
  } finally {
    uploadsInHand -= 1;
  }
}

/** @type {Handler} */
async function showPicture(_, response, url) {
  const picture = await loadPicture(url.pathname.slice("/pictures/".length));
  if (!picture) return answer(response, 404, "There is no such picture.\n");
  answer(response, 200, picture.bytes, { "content-type": picture.type, "cache-control": "public, max-age=31536000, immutable" });
}

/** Browsers say where a form was; a page of another site may not write here in a visitor's name. @param {Request} request */
function refuseOtherSites(request) {
  if (request.headers["sec-fetch-site"] === "cross-site") throw new Refusal(403, "Entries are taken from this site's own form only.");
}

/** Numbered lines with pauses, to see that an answer under way survives a rollout. @type {Handler} */
async function stream(_, response, url) {
  const chunks = clamp(url.searchParams.get("chunks"), 10, 300);
  const everyMs = clamp(url.searchParams.get("every"), 100, 2_000);
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  for (let number = 1; number <= chunks && !response.destroyed; number++) {
    response.write(`line ${number} of ${chunks}\n`);
    await sleep(everyMs);
  }
  response.end("end\n");
}

/** @param {string | null} text @param {number} usual @param {number} most */
function clamp(text, usual, most) {
  const number = Number(text ?? usual);
  return Number.isInteger(number) ? Math.min(Math.max(number, 1), most) : usual;
}

/** @type {Handler} */
async function tellReady(_, response) {
  const problem = await findDatabaseProblem();
  if (problem) return answer(response, 503, `database: ${problem}\n`);
  answer(response, 200, `ready, release ${release}\n`);
}

/** @type {Handler} */
function tellWhetherStopSuits(_, response) {
  if (uploadsInHand > 0) return answer(response, 503, `not yet: ${uploadsInHand} uploads in hand\n`);
  answer(response, 200, "yes\n");
}

function drain() {
  if (draining) return;
  draining = true;
  live.close();
}

/** Answers under way are finished; then the process has nothing left to do and ends by itself. */
function stop() {
  if (stopping.signal.aborted) return;
  console.log("stopping: finishing what is under way");
  stopping.abort();
  drain();
  server.close(() => void pool.end());
  server.closeIdleConnections();
}

server.on("upgrade", (request, socket, head) => {
  socket.on("error", () => socket.destroy());
  const path = (request.url ?? "").split("?")[0];
  if (path === "/live" && !draining) return live.accept(request, socket, head);
  socket.end(`HTTP/1.1 ${draining ? "503 Service Unavailable" : "404 Not Found"}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
});

listen(
  "entries",
  async (id) => {
    const entry = await loadEntry(Number(id)).catch(() => undefined);
    if (entry) live.tell(entry);
  },
  stopping.signal,
);

// Longer than a balancer keeps idle connections, so that it never writes into one that is being closed here.
server.keepAliveTimeout = 75_000;
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? "127.0.0.1", () =>
  console.log(`release ${release} listens on ${process.env.PORT ?? 8080}`),
);
