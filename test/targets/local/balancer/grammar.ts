// Conversations by chance that a stranger may have with the balancer, and answers that an odd app may give: mostly nearly right, since what is
// wholly wrong is refused by the first byte.
import fc from "fast-check";

/** A whole request in a body or behind a frame that two readers could read in two ways. Nobody may ever take it for one. */
export const HIDDEN = "GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n";

const mostly = <T>(usual: T[], odd: T[]) =>
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });

const method = mostly(["GET", "POST"], ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI", "QUERY", "get", "G\0T", ""]);
const target = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom("/", "/a", "/a?b=c") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...[
        "/denied",
        "/Denied/",
        "/denied;v=1",
        "//denied",
        "/x/../denied",
        "/%64enied",
        "/denied%00",
        "/x\\..\\denied",
        "/..;/denied",
        "/denied/%2e",
      ],
      ...[
        "/drain",
        "/DRAIN/",
        "http://a/denied",
        "http://denied.test/",
        "HTTP://DENIED.test:1/a",
        "*",
        "",
        "a",
        "/%",
        "/%zz",
        "/\x7f",
        "/\xff",
        "/ ",
        "/#f",
      ],
      `/${"x".repeat(3_000)}`,
    ),
  },
);
const version = mostly(["HTTP/1.1"], ["HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "http/1.1", "HTTP/1.1 ", ""]);
const host = mostly(
  ["host: a"],
  ["host: denied.test", "host: DENIED.test.:80", "host: a\r\nhost: b", "host: a b", "host:", "Host : a", "x: y", "host: a..b", "host: [::1]"],
);

const header = fc.oneof(
  fc.constantFrom("x-a: b", "accept: */*", "cookie: a=b", "user-agent: x"),
  fc.constantFrom("connection: close", "connection: keep-alive", "connection: x-a, host, content-length", "connection: upgrade", "connection:"),
  fc.constantFrom(
    "upgrade: websocket",
    "upgrade: h2c",
    "upgrade: websocket, h2c",
    "http2-settings: AAMAAABk",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
  ),
  fc.constantFrom("x-forwarded-for: 6.6.6.6", "X_Forwarded_For: 6.6.6.6", "forwarded: for=6.6.6.6", "x-real-ip: 6.6.6.6", "x-request-id: mine"),
  fc.constantFrom(
    "authorization: Basic YTpi",
    "authorization: basic",
    "authorization: Bearer x",
    "proxy: http://x",
    "expect: 100-continue",
    "expect: x",
  ),
  fc.constantFrom("te: trailers", "trailer: x", "range: bytes=0-", "x: \xff"),
  fc.constantFrom("x: a\x01b", "x: a\0b", ": x", "x", " folded: x", "x\t: y", "x: a\rb", "x: a\nb"),
);

/** Frame and body. */
const body = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "\r\n",
      "content-length: 0\r\n\r\n",
      "content-length: 3\r\n\r\nabc",
      "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      `content-length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
      `content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
      `transfer-encoding: chunked\r\ncontent-length: ${HIDDEN.length + 5}\r\n\r\n0\r\n\r\n${HIDDEN}`,
      `content-length: 0\r\ncontent-length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
      `content-length: +${HIDDEN.length}\r\n\r\n${HIDDEN}`,
      `transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      `transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
      `transfer-encoding: identity\r\n\r\n${HIDDEN}`,
      `transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
      `transfer-encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
      `transfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n${HIDDEN}`,
      `transfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n${HIDDEN}`,
      `transfer-encoding: chunked\r\n\r\n3;${"x".repeat(50)}=y\r\nabc\r\n0\r\nx: y\r\n\r\n`,
      `transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc`,
      `content-length: 100000\r\n\r\n${"x".repeat(70_000)}`,
      `content-length: 10\r\n\r\nabc`,
      `transfer-encoding: chunked\r\n\r\n5\r\nab`,
      `transfer-encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(300)}`,
    ),
  },
);

const message = fc
  .tuple(method, target, version, host, fc.array(header, { maxLength: 2 }), body)
  .map(([verb, path, http, name, headers, rest]) => `${verb} ${path} ${http}\r\n${[name, ...headers].join("\r\n")}\r\n${rest}`);

/** One byte more, less or another, somewhere. */
const damage = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.nat(2),
  added: fc.constantFrom("", "\r", "\n", "\0", ":", " ", "\xff", "\r\n\r\n"),
});

export interface Conversation {
  /** As they are written, in Latin-1. */
  pieces: string[];
  /** What the client does in the end. */
  end: "waits" | "ends" | "resets";
}

/** What is said on one connection. */
export const conversation: fc.Arbitrary<Conversation> = fc
  .record({
    messages: fc.array(message, { minLength: 1, maxLength: 3 }),
    damages: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.tuple(damage) }),
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
    end: fc.constantFrom(...(["waits", "waits", "waits", "ends", "resets"] as const)),
  })
  .map(({ messages, damages, cuts, end }) => {
    const text = damages.reduce((whole, { at, removed, added }) => {
      const place = Math.floor(at * whole.length);
      return whole.slice(0, place) + added + whole.slice(place + removed);
    }, messages.join(""));
    const places = [0, ...cuts.map((cut) => Math.floor(cut * text.length)).sort((a, b) => a - b), text.length];
    return { pieces: places.slice(1).map((place, index) => text.slice(places[index], place)), end };
  });

const status = mostly(
  ["200 OK", "404 Not Found"],
  [
    "204 No Content",
    "304 Not Modified",
    "101 Switching Protocols",
    "100 Continue",
    "103 Early Hints",
    "099 Low",
    "999 High",
    "200",
    "200 \xff\x01",
    "20 OK",
    "OK",
  ],
);
const answerHeader = fc.constantFrom(
  ...[
    "x-a: b",
    "connection: close",
    "connection: keep-alive, x-a",
    "keep-alive: timeout=0",
    "keep-alive: timeout=999999999999",
    "upgrade: websocket",
    "upgrade: h2c",
  ],
  ...[
    "connection: upgrade",
    "set-cookie: a=b",
    "x: \xff",
    "x: a\x01b",
    "x: a\0b",
    "x y: z",
    ": z",
    "x",
    " folded: x",
    "trailer: x",
    "date: never",
    "location: /\xff",
  ],
  `x: ${"y".repeat(20_000)}`,
);
const answerBody = fc.constantFrom(
  "content-length: 2\r\n\r\nok",
  "content-length: 2\r\n\r\nokay",
  "content-length: 20\r\n\r\nok",
  "content-length: 2\r\ncontent-length: 3\r\n\r\nokay",
  "content-length: -1\r\n\r\n",
  "content-length: x\r\n\r\n",
  "content-length: 1234\r\n\r\n",
  "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
  "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n",
  "transfer-encoding: chunked\r\n\r\n2\r\nok",
  "transfer-encoding: chunked\r\n\r\nzz\r\n",
  "transfer-encoding: gzip\r\n\r\nok",
  "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "\r\n",
  "\r\nok",
);

export interface OddAnswer {
  bytes: string;
  end: "keeps" | "ends" | "resets";
}

/** What an instance writes as soon as something is asked. */
export const oddAnswer: fc.Arbitrary<OddAnswer> = fc.record({
  bytes: fc.oneof(
    {
      weight: 9,
      arbitrary: fc
        .tuple(fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2", "SSH-2.0"), status, fc.array(answerHeader, { maxLength: 3 }), answerBody)
        .map(([http, line, headers, rest]) => `${http} ${line}\r\n${headers.map((one) => `${one}\r\n`).join("")}${rest}`),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom("", "\0", "HTTP/1.1", "HTTP/1.1 200 OK\r\n", "\x16\x03\x01", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    },
  ),
  end: fc.constantFrom("keeps" as const, "ends" as const, "resets" as const),
});
