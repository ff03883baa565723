import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LandfallError, withoutSecrets } from "../../src/error.ts";
import { hideIn, hidePasswords, makeHide, passwordOf } from "../../src/text/mask.ts";

describe("the password of a URL", () => {
  it.each([
    ["postgres://app:hunter2@db:5432/app", "postgres://app:***@db:5432/app"],
    ["postgres ://app:hunter2@db", "postgres ://app:***@db"],
    ["redis://:hunter2@cache", "redis://:***@cache"],
    ["a p@ss/word: postgres://app:p@ss/word@db/app?x=1", "a p@ss/word: postgres://app:***@db/app?x=1"],
    ["mysql://app:it's#1@db/app, and then", "mysql://app:***@db/app, and then"],
    ['{"url":"amqps://u:p%40q@mq/","next":"http://h:80/"}', '{"url":"amqps://u:***@mq/","next":"http://h:80/"}'],
    ["https://ghp_abc@github.com/x.git and http://u:p@h", "https://***@github.com/x.git and http://u:***@h"],
    ["mongodb+srv://u:p@a,b/db?authSource=x", "mongodb+srv://u:***@a,b/db?authSource=x"],
    ["jdbc:postgresql://db/app?user=u&password=hunter2&ssl=true", "jdbc:postgresql://db/app?user=u&password=***&ssl=true"],
    ["https://h/callback?api_key=abc#top", "https://h/callback?api_key=***#top"],
  ])("is hidden in %s", (text, hidden) => {
    expect(hidePasswords(text)).toBe(hidden);
    expect(hidePasswords(text, { keepLength: true })).toHaveLength(text.length);
  });

  it.each([
    "postgres://app@db:5432/app",
    "http://127.0.0.1:8080/a@b?x=y",
    "http://[::1]:8080/x@y",
    "https://db.example/@scope/name",
    "mail to ada@example.com: hello",
    "s3://uploads",
    "file:///var/lib/x@1",
  ])("is not found in %s", (text) => expect(hidePasswords(text)).toBe(text));

  it("is what stands between the user and the last @", () => {
    expect(passwordOf("postgres://a:b:c@d@e/f")).toBe("b:c@d");
    expect(passwordOf("postgres://a@e/f")).toBe("");
    expect(passwordOf("no URL")).toBe("");
  });
});

describe("a secret that is a URL", () => {
  const hide = makeHide(["https://hooks.example.com/services/T0123/B4567/abcdefghijklmnop", "http://127.0.0.1:9999/hook"]);

  it("is hidden whole, and where its end was cut off", () => {
    expect(hide("POST https://hooks.example.com/services/T0123/B4567/abcdefghijklmnop: 404")).toBe("POST ***: 404");
    expect(hide("POST https://hooks.example.com/services/T0123/B4567/abc")).toBe("POST ***");
  });

  it("leaves other addresses of its server as they are", () => {
    expect(hide("asked GET http://127.0.0.1:23118/ready and https://hooks.example.com/")).toBe(
      "asked GET http://127.0.0.1:23118/ready and https://hooks.example.com/",
    );
  });
});

/** As programs write a text that they were given. */
const WRITERS: Record<string, (value: string) => string> = {
  "as it is": (value) => `before ${value} after`,
  JSON: (value) => JSON.stringify({ key: value }),
  "JSON in JSON": (value) =>
    JSON.stringify(["it's", JSON.stringify(value)])
      .replaceAll("\\\\", "\\")
      .replaceAll('\\"', '"'),
  "ASCII JSON": (value) => JSON.stringify(value).replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  inspect: (value) => inspect({ value }, { breakLength: Number.POSITIVE_INFINITY }),
  "a query": (value) => `/path?value=${encodeURIComponent(value)}&x=1`,
  "a shell": (value) => `+ printf '${value.replaceAll("'", "'\\''")}'`,
  HTML: (value) => `<b>${value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")}</b>`,
  "basic credentials": (value) => `Basic ${Buffer.from(`u:${value}`).toString("base64")}`,
  "longer credentials": (value) => `Basic ${Buffer.from(`us:${value}:x`).toString("base64")}`,
  base64url: (value) => `eyJ.${Buffer.from(value).toString("base64url")}.sig`,
  lines: (value) =>
    value
      .split("\n")
      .map((line) => `log: ${line}`)
      .join("\n"),
};

describe("a known secret", () => {
  const values = [
    "plain-value-1234",
    `q'uo"tes \\ & <$HOME>`,
    "schlüssel-✓-日本",
    "first line\nsecond line\n",
    "s p a c e s",
    "postgres://u:p@ss w@h/x",
  ];

  it.each(Object.keys(WRITERS))("is hidden in %s", (writer) => {
    for (const value of values) {
      const text = (WRITERS[writer] as (value: string) => string)(value);
      const hidden = makeHide(["other-secret", value])(text);
      expect(hidden).toContain("***");
      for (const word of value.split("\n").filter(Boolean)) {
        expect(hidden).not.toContain(word);
        expect(hidden).not.toContain(Buffer.from(word).toString("base64").slice(4, 12));
      }
    }
  });

  it("is hidden whatever it is made of, and wherever it stands", () => {
    const value = fc.string({ minLength: 8, maxLength: 60, unit: "grapheme" }).filter((text) => text.trim().length >= 8 && !text.includes("\n"));
    fc.assert(
      fc.property(value, fc.string(), fc.string(), (secret, before, after) => {
        const hide = makeHide([secret]);
        expect(hide(`${before}${secret}${after}`)).not.toContain(secret);
        expect(hide(JSON.stringify({ before, secret, after }))).not.toContain(JSON.stringify(secret).slice(1, -1));
        expect(hide(`?q=${encodeURIComponent(secret)}&`)).not.toContain(encodeURIComponent(secret));
      }),
    );
  });

  it("is hidden as far as it goes where it was cut off", () => {
    const key = "sk-0123456789abcdef-0123456789abcdef";
    expect(makeHide([key])(`Received '${key.slice(0, 20)}...'`)).toBe("Received '***...'");
    expect(makeHide([key])("sk-0123456 is another")).toBe("sk-0123456 is another");
  });

  it("of a URL is its password: that URL without it says nothing", () => {
    const hide = makeHide(["postgresql://app_user:hunter2$@db.example:5432/app"]);
    expect(hide("postgresql://app_user@db.example:5432/app answers")).toBe("postgresql://app_user@db.example:5432/app answers");
    expect(hide("password hunter2$ or hunter2%24 refused")).toBe("password *** or *** refused");
  });

  it("that is short is in every text by chance, and is let be", () => {
    expect(makeHide(["a", "true", "", "   \n      \n"])("a true       story")).toBe("a true       story");
  });
});

describe("an error", () => {
  it("never has a URL's password in it, in whichever part", () => {
    const url = "postgres://app:hunter2@db";
    const where = { file: "f", line: 1, column: 7, text: `url: "${url}",`, length: 27 };
    const { message, parts } = new LandfallError({
      code: "RESOURCE_FAILED",
      what: url,
      where,
      why: url,
      evidence: [["asked", url]],
      standing: url,
      next: url,
    });
    expect(JSON.stringify([message, parts])).not.toContain("hunter2");
    expect(parts.where).toEqual({ ...where, text: 'url: "postgres://app:*******@db",' });
  });

  it("is told without known secrets, with its cause and all further ones", () => {
    const hide = makeHide(["canary-value"]);
    const cause = Object.assign(new Error("canary-value"), { detail: "canary-value", code: "28P01" });
    const parts = { code: "RESOURCE_FAILED", what: "canary-value", standing: "", cause } as const;
    const error = withoutSecrets(new LandfallError(parts, [new LandfallError(parts)]), hide) as LandfallError;
    expect(inspect(error, { depth: 9 })).not.toContain("canary");
    expect(error).toMatchObject({ code: "RESOURCE_FAILED", message: "***", more: [{ message: "***" }], cause: { code: "28P01", detail: "***" } });
    expect(error.stack).toContain("mask.test");
    // What programs go by is no text.
    expect((withoutSecrets(error, makeHide(["FAILED"])) as LandfallError).exitCode).toBe(1);
  });

  it("of others stays what it is", () => {
    const hide = makeHide(["canary-value"]);
    const error = new TypeError("got canary-value");
    expect(withoutSecrets(error, hide)).toBe(error);
    expect([error.message, String(error.stack).split("\n")[0]]).toEqual(["got ***", "TypeError: got ***"]);
    expect(withoutSecrets("canary-value", hide)).toBe("***");
    expect(withoutSecrets(new DOMException("aborted", "AbortError"), hide)).toMatchObject({ name: "AbortError", message: "aborted" });
    expect(withoutSecrets(undefined, hide)).toBeUndefined();
  });
});

it("data keep their shape", () => {
  expect(hideIn({ a: ["x", 1, null], b: { c: "x" }, d: undefined, e: true }, () => "y")).toEqual({
    a: ["y", 1, null],
    b: { c: "y" },
    d: undefined,
    e: true,
  });
});

it("a long text without a URL is gone through once, not once for each of its letters", () => {
  const text = "a".repeat(500_000);
  const began = performance.now();
  expect(hidePasswords(text)).toBe(text);
  // It took minutes.
  expect(performance.now() - began).toBeLessThan(5_000);
});
