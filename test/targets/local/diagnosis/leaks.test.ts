import { expect, it } from "vitest";
import { findLeaks } from "../../../../src/targets/local/diagnosis/leaks.ts";

const given = {
  secrets: { SESSION_KEY: 'a"key/with&signs', CACHE_URL: "redis://default:p%40ss-word@127.0.0.1:6379", SHORT: "dev" },
  plain: { PATH: "/usr/local/bin:/usr/bin:/bin", GREETING: "Good day", NODE_ENV: "production", LEVEL: "3" },
};

it.each([
  ["a health page", '{"ok":true,"release":"7f3c2a","env":"production","cache":"127.0.0.1:6379"}', undefined],
  ["a short value", "dev", undefined],
  ["two variables", '{"NODE_ENV":"production","GREETING":"Good day"}', undefined],
  ["a secret", 'key=a"key/with&signs', { secrets: ["SESSION_KEY"], variables: [] }],
  ["a secret in JSON", JSON.stringify({ key: given.secrets.SESSION_KEY }), { secrets: ["SESSION_KEY"], variables: [] }],
  ["a secret in HTML", "<b>a&quot;key/with&amp;signs</b>", { secrets: ["SESSION_KEY"], variables: [] }],
  ["a secret in base64", Buffer.from(given.secrets.SESSION_KEY).toString("base64"), { secrets: ["SESSION_KEY"], variables: [] }],
  ["the password of a URL", "as p@ss-word", { secrets: ["CACHE_URL"], variables: [] }],
  [
    "a listing",
    "PATH=/usr/local/bin:/usr/bin:/bin\nGREETING=Good day\nNODE_ENV=production",
    { secrets: [], variables: ["PATH", "GREETING", "NODE_ENV"] },
  ],
])("%s", (_name, body, leaks) => {
  expect(findLeaks(body, given)).toEqual(leaks);
});
