// Requests as bytes: the shapes that HTTP allows and clients rarely send, and those that two servers could read as different requests.
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Stage } from "./stage.ts";

let stage: Stage;
let seen: { url?: string; host?: string; expect?: string }[];
beforeEach(() => {
  stage = new Stage();
  seen = [];
});
afterEach(() => stage.close());

const see = (incoming: IncomingMessage) => seen.push({ url: incoming.url, host: incoming.headers.host, expect: incoming.headers.expect });

const echo = () =>
  stage.serve((incoming, outgoing) => {
    see(incoming);
    incoming.pipe(outgoing);
  });

test("asks for the body of a request that expects to be asked", async () => {
  await echo();
  const asked = request({
    host: "127.0.0.1",
    port: stage.edge.port,
    method: "POST",
    agent: false,
    headers: { expect: "100-continue", "content-length": 4 },
  });
  asked.flushHeaders();
  await once(asked, "continue");
  asked.end("body");
  const [answer] = await once(asked, "response");
  expect(String((await once(answer, "data"))[0])).toBe("body");
  expect(seen[0]?.expect).toBeUndefined();
});

test("does not ask for a body that is too large", async () => {
  await echo();
  const answer = await stage.raw("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1000001\r\n\r\n");
  expect(answer).toMatch(/^HTTP\/1.1 413 /);
  expect(seen).toEqual([]);
});

test("serves a request whose target is a whole address, whose host counts", async () => {
  await echo();
  for (const [target, url] of [
    ["http://app.test:81/a/b?c=d", "/a/b?c=d"],
    ["HTTP://app.test:81", "/"],
    ["http://app.test:81?c", "/?c"],
  ])
    expect([target, await stage.raw(`GET ${target} HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\n\r\n`), seen.pop()]).toEqual([
      target,
      expect.stringMatching(/^HTTP\/1.1 200 /),
      { url, host: "app.test:81", expect: undefined },
    ]);
  for (const target of ["ftp://app.test/", "http:///a", "http://user@app.test/", "app.test/a"])
    expect([target, (await stage.raw(`GET ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)).slice(0, 12)]).toEqual([
      target,
      "HTTP/1.1 400",
    ]);
  expect(seen).toEqual([]);
});

/** Behind each of these stands a whole request, which some server might take for the next one and another for a part of the body. */
const HIDDEN = "GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n";
test.each([
  ["a length and chunks", `content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["chunks and a length", `transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["two lengths", `content-length: 0\r\ncontent-length: 35\r\n\r\n${HIDDEN}`],
  ["two lengths in one line", `content-length: 0, 35\r\n\r\n${HIDDEN}`],
  ["a length with a sign", `content-length: +35\r\n\r\n${HIDDEN}`],
  ["a length in base 16", `content-length: 0x23\r\n\r\n${HIDDEN}`],
  ["a length below zero", `content-length: -1\r\n\r\n${HIDDEN}`],
  ["a length with a blank", `content-length: 3 5\r\n\r\n${HIDDEN}`],
  ["an encoding of that name with a letter more", `transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["an encoding on top of the chunks", `transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["the encoding twice, the second one another", `transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["a blank before the colon", `transfer-encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["a folded line", `x: a\r\n content-length: 35\r\n\r\n${HIDDEN}`],
  ["a chunk's length in another base", `transfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n${HIDDEN}`],
  ["a chunk longer than it says", `transfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n${HIDDEN}`],
  ["a chunk's length that overflows", `transfer-encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n${HIDDEN}`],
  ["a zero byte in a header", `x: a\0b\r\n\r\n${HIDDEN}`],
  ["a carriage return in a header", `x: a\rcontent-length: 35\r\n\r\n${HIDDEN}`],
])("refuses %s, and what is hidden behind it", async (_, rest) => {
  await stage.serve((incoming, outgoing) => {
    see(incoming);
    incoming.resume().on("end", () => outgoing.end());
  });
  const answer = await stage.raw(`POST / HTTP/1.1\r\nhost: a\r\n${rest}`);
  // 501 where it is an encoding that is not read.
  expect(answer).toMatch(/^HTTP\/1.1 (400|501) /);
  expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1);
  expect(seen.map(({ url }) => url)).not.toContain("/hidden");
});

test("holds a client back while the upstream does not read", async () => {
  const chunk = Buffer.alloc(262_144);
  const total = 64 * 1_048_576;
  await stage.serve((incoming) => incoming.pause(), {
    limits: { bodyBytesMax: 2 * total, headerTimeoutMs: 10_000, idleTimeoutMs: 60_000, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
  });
  const client = connect(stage.edge.port, "127.0.0.1");
  client.on("error", () => undefined);
  client.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${total}\r\n\r\n`);
  let written = 0;
  const held = new Promise<boolean>((resolve) => {
    const more = (): void => {
      while (written < total) {
        written += chunk.length;
        if (client.write(chunk)) continue;
        // What the kernel takes drains at once; a client that waits for a second is held back.
        const silent = setTimeout(resolve, 1_000, true);
        return void client.once("drain", () => (clearTimeout(silent), more()));
      }
      resolve(false);
    };
    more();
  });
  expect(await held).toBe(true);
  client.destroy();
});
