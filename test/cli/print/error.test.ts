import { expect, test } from "vitest";
import { describeError } from "../../../src/cli/print/error.ts";
import { type ErrorParts, LandfallError } from "../../../src/error.ts";

const misspelt: ErrorParts = {
  code: "CONFIG_UNRECOGNIZED_KEY",
  what: 'unrecognized key "helthCheck" in service "web"',
  where: {
    file: "/app/landfall.config.ts",
    line: 9,
    column: 5,
    text: '    helthCheck: { path: "/ready" },',
    length: 10,
    hint: 'did you mean "health"?',
  },
  why: 'Ignoring it would leave "web" on the default check, GET / instead of GET /ready.',
  standing: "Nothing was changed.",
  next: "rename the key, then run  landfall check",
};

const missing: ErrorParts = {
  code: "CONFIG_MISSING_KEY",
  what: 'missing key "name" in the app',
  where: "/app/landfall.config.ts",
  standing: "Nothing was changed.",
};

test("a place in a file, and how many more there are", () => {
  expect(describeError(new LandfallError(misspelt, [new LandfallError(missing)]), { cwd: "/app" })).toBe(`\
error: unrecognized key "helthCheck" in service "web"                  CONFIG_UNRECOGNIZED_KEY

  landfall.config.ts:9:5
    9 |     helthCheck: { path: "/ready" },
      |     ^^^^^^^^^^ did you mean "health"?

  Ignoring it would leave "web" on the default check, GET / instead of GET /ready.
  Nothing was changed.
  Next: rename the key, then run  landfall check   (1 more problem is listed below)

error: missing key "name" in the app                                        CONFIG_MISSING_KEY

  landfall.config.ts`);
});

test("evidence in rows", () => {
  const error = new LandfallError({
    code: "HEALTH_NEVER_PASSED",
    what: 'release 7f3c2a of "web" never passed its health check',
    evidence: [
      ["asked", "GET http://127.0.0.1:41873/ready every 2s for 30s; 200-299 within 2s passes"],
      ["answered", 'attempts 1-2   connection refused                  0s - 2s\nattempts 3-15  503 "database: password rejected"   4.1s - 28s'],
      ["last log", 'web.2  12:04:31  Error: password authentication failed for user "app"'],
    ],
    standing: "Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.",
    next: "landfall logs local web --release=7f3c2a",
  });
  expect(describeError(error)).toBe(`\
error: release 7f3c2a of "web" never passed its health check               HEALTH_NEVER_PASSED

  asked     GET http://127.0.0.1:41873/ready every 2s for 30s; 200-299 within 2s passes
  answered  attempts 1-2   connection refused                  0s - 2s
            attempts 3-15  503 "database: password rejected"   4.1s - 28s
  last log  web.2  12:04:31  Error: password authentication failed for user "app"

  Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
  Next: landfall logs local web --release=7f3c2a`);
});

test("colours add nothing but themselves", () => {
  const error = new LandfallError(misspelt, [new LandfallError(missing)]);
  const colored = describeError(error, { color: true, cwd: "/app" });
  expect(colored).toContain("\u001b[");
  expect(colored.replace(/\u001b\[\d+m/g, "")).toBe(describeError(error, { cwd: "/app" }));
});

test("control characters, passwords and long lines of a file stay out of the terminal", () => {
  const text = `${" ".repeat(300)}url: "postgres://app:hunter2@db/app\u001b[2J",${" ".repeat(300)}// end`;
  const where = { file: "/elsewhere/a.ts", line: 12, column: 306, text, length: 37 };
  const lines = describeError(new LandfallError({ ...missing, what: "two\nlines", where, why: "bell\u0007" }), { cwd: "/app" }).split("\n");
  expect(lines[0]).toMatch(/^error: two lines {2}/);
  expect(lines[2]).toBe("  /elsewhere/a.ts:12:306");
  expect(lines[3]?.trim()).toMatch(/^12 \| +url: "postgres:\/\/app:\*{7}@db\/app\ufffd\[2J",$/);
  expect(lines[4]?.indexOf("^")).toBe(lines[3]?.indexOf('"'));
  expect(lines[6]).toBe("  bell^G");
});

test("files outside the working folder keep their whole name, and other places their own", () => {
  const at = (where: string) => describeError(new LandfallError({ ...missing, where }), { cwd: "/app" }).split("\n")[2];
  expect([at("/application/x"), at("/app/x"), at("http://127.0.0.1:1/")]).toEqual(["  /application/x", "  x", "  http://127.0.0.1:1/"]);
});
