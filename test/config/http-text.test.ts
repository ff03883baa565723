// Texts that become a part of HTTP: whatever is accepted is written by Node, by nginx and by curl as it is, and whatever none could use is not.
import { validateHeaderName, validateHeaderValue } from "node:http";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { validateText } from "../../src/config/check.ts";
import { headerName, headerValue, loginName, pathPattern, redirectAddress, requestPath, routeHost } from "../../src/config/http-text.ts";
import { LandfallError } from "../../src/error.ts";
import { normalisePath } from "../../src/routing/paths.ts";

const TEXTS = {
  requestPath: {
    type: requestPath,
    right: ["/", "/ready", "/ready?full=1&x=/y?", "/a%20b", "/a/", "/~a/b.c:@!$&'()*+,;="],
    wrong: [
      "",
      "ready",
      "/health check",
      "/größe",
      "//ready",
      "/a//b",
      "/a/../b",
      "/.",
      "/a#b",
      "/a\nb",
      "/%zz",
      "/[x]",
      "/{x}",
      '/"x"',
      "/\\x",
      `/${"x".repeat(1_000)}`,
    ],
  },
  pathPattern: {
    type: pathPattern,
    right: ["/", "/*", "/admin", "/admin/*", "/admin*", "/a b", "/größe/*", "/.well-known/*", "/a..b", "/a/"],
    wrong: ["", "admin", "*", "/p/*/edit", "/**", "/a%20b", "/path//x", "/q?y=1", "/a#b", "/a\\b", "/a/../b", "/a/./b", "/a;b", "/a\0", "/a\n"],
  },
  routeHost: {
    type: routeHost,
    right: ["example.com", "WWW.example.com", "localhost", "xn--r8jz45g.example", "10.0.0.1"],
    wrong: [
      "",
      "*.int.example.com",
      "ops.example.com:8443",
      "https://web.example.com",
      "a.example.com.",
      ".example.com",
      "a..b",
      "a_b.example",
      "例え.example",
      "a b",
      "-a.example",
      "[::1]",
    ],
  },
  headerName: {
    type: headerName,
    right: ["X-Frame-Options", "content-security-policy", "x-1", "Content-Type", "Vary"],
    wrong: ["", "X Bad", "X_Bad", "X:Bad", "größe", "x\r\ny", "Content-Length", "transfer-encoding", "Connection", "Upgrade", "Date", "server"],
  },
  headerValue: {
    type: headerValue,
    right: ["1", "default-src 'self'; img-src *", 'one "two" \\ $3 {4}', "a\tb", "x".repeat(2_000)],
    wrong: ["", "a\nb", "a\rb", "größer – besser", "größer", " a", "a ", "a\0b", "x".repeat(2_001)],
  },
  redirectAddress: {
    type: redirectAddress,
    right: [
      "https://www.example.com$path",
      "http://example.com:8080/new$path",
      "/new?a=$path",
      "$path",
      "https://example.com",
      "https://example.com?x#y",
      "/a%20b",
    ],
    wrong: [
      "",
      "www.example.com",
      "https://example.com/\r\nX: y",
      "https://例え.example/größe",
      "/a b",
      "https://",
      "https://a b/",
      "javascript:alert(1)",
      "/%zz",
      '/"',
      "https://user@example.com/",
    ],
  },
  loginName: { type: loginName, right: ["admin", "a b", "größe", "a#"], wrong: ["", "a:b", "a:", "#a", " a", "a ", "a\nb"] },
};

describe.each(Object.entries(TEXTS))("%s", (_, { type, right, wrong }) => {
  test.each(right)("takes %j", (text) => expect(type.safeParse(text).success).toBe(true));
  test.each(wrong)("refuses %j", (text) => expect(type.safeParse(text).success).toBe(false));
});

/** Texts that are nearly right, so that some are. */
const near = (alphabet: string) => fc.string({ unit: fc.constantFrom(...alphabet, "é", "\n", " ", "\0"), maxLength: 12 });
const accepted = (type: { safeParse(text: string): { success: boolean } }, alphabet: string) =>
  near(alphabet).filter((text) => type.safeParse(text).success);

test("a header that is accepted is one that Node writes", () => {
  fc.assert(
    fc.property(accepted(headerName, "aZ-19_:"), accepted(headerValue, "a;$\"\\'{}\t"), (name, value) => {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    }),
  );
});

test("a path of a route that is accepted is a path that a request can have", () => {
  fc.assert(
    fc.property(accepted(pathPattern, "/a.;%*?B"), (pattern) => {
      const path = pattern.replace(/\*$/, "x");
      expect(normalisePath(path.split("/").map(encodeURIComponent).join("/"))).toBe(path);
    }),
  );
});

test("a path to be requested that is accepted has one normal form", () => {
  fc.assert(
    fc.property(accepted(requestPath, "/a.%20?=;"), (path) => {
      return new URL(path, "http://a").href === `http://a${path}` || /%2e/i.test(path);
    }),
  );
});

test("what is refused is told at its key, with what is required", () => {
  const app = { name: "a", services: { web: { command: "x", port: 1 } }, routes: [{ path: "/p/*/edit", host: "a:1", headers: { "X Bad": "1" } }] };
  const problems = (() => {
    try {
      validateText(`export default ${JSON.stringify(app)}`, "landfall.config.ts", app);
      return [];
    } catch (error) {
      return error instanceof LandfallError ? [error, ...error.more].map(({ parts }) => `${parts.what} | ${parts.why}`) : [];
    }
  })();
  expect(problems).toEqual([
    expect.stringMatching(/^wrong value for "path" of route 1: "\/p\/\*\/edit" \| Required: a path, decoded and without a query: .*\.$/),
    expect.stringMatching(/^wrong value for "host" of route 1: "a:1" \| Required: one whole host name, .*\.$/),
    expect.stringMatching(/^wrong name in "headers" of route 1: "X Bad" \| Required: a header's name .*\.$/),
  ]);
});
