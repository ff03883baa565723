// The whole text of each error about the app's keys, and the mistakes that people make in a configuration.
import { describe, expect, test } from "vitest";
import { errorOf, errorOfLiteral } from "./folders.ts";

const withWeb = (line: string, rest = "") => `import { defineApp } from "landfall";

export default defineApp({
  name: "guestbook",
  services: {
    web: {
      command: "node server.js",
      port: 3000,
      ${line}
    },
  },${rest}
});
`;

describe("whole texts", () => {
  test("CONFIG_UNRECOGNIZED_KEY, with the key that was meant and what its default would have been", async () => {
    expect(await errorOf(withWeb('helthCheck: { path: "/ready" },\n      stop: { timeout: "ten" },'))).toMatchInlineSnapshot(`
      "error: unrecognized key "helthCheck" in service "web"                  CONFIG_UNRECOGNIZED_KEY

        landfall.config.ts:9:7
          9 |       helthCheck: { path: "/ready" },
            |       ^^^^^^^^^^ did you mean "health"?

        Ignoring it would leave "health" of service "web" at its default: path "/" instead of "/ready".
        Nothing was changed.
        Next: rename the key, then run  landfall check   (1 more problem is listed below)

      error: wrong value for "stop.timeout" of service "web": "ten"               CONFIG_WRONG_VALUE

        landfall.config.ts:10:24
          10 |       stop: { timeout: "ten" },
             |                        ^^^^^

        Required: a duration with its unit, from "100ms" to "1d".
        Next: change the value, then run  landfall check"
    `);
  });

  test("CONFIG_UNRECOGNIZED_KEY, with no key near it", async () => {
    expect(await errorOf(withWeb("zebra: 1,"))).toMatchInlineSnapshot(`
      "error: unrecognized key "zebra" in service "web"                       CONFIG_UNRECOGNIZED_KEY

        landfall.config.ts:9:7
          9 |       zebra: 1,
            |       ^^^^^

        Known there: command, port, health, instances, scaling, environment, secrets, drain, stop, singleton, schedule, timeout, machine, container.
        Nothing was changed.
        Next: remove the key, then run  landfall check"
    `);
  });

  test("CONFIG_MISSING_KEY", async () => {
    expect(await errorOf('export default {\n  name: "a",\n  services: {\n    web: { port: 3000 },\n  },\n};\n')).toMatchInlineSnapshot(`
      "error: missing key "command" in service "web"                               CONFIG_MISSING_KEY

        landfall.config.ts:4:5
          4 |     web: { port: 3000 },
            |     ^^^

        It has no default. Required: a command that is not empty.
        Started by the shell in the release's folder. \`$PORT\` is the port it must listen on.
        Nothing was changed.
        Next: add "command" to service "web", then run  landfall check"
    `);
  });

  test("CONFIG_WRONG_VALUE", async () => {
    expect(await errorOf(withWeb('health: { interval: "1 second" },'))).toMatchInlineSnapshot(`
      "error: wrong value for "health.interval" of service "web": "1 second"       CONFIG_WRONG_VALUE

        landfall.config.ts:9:27
          9 |       health: { interval: "1 second" },
            |                           ^^^^^^^^^^

        Required: a duration with its unit, from "50ms" to "5m".
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
  });

  test("CONFIG_CONFLICT", async () => {
    expect(await errorOf(withWeb("instances: { min: 4, max: 2 },"))).toMatchInlineSnapshot(`
      "error: "min" is above "max" in the instances of service "web": 4 and 2         CONFIG_CONFLICT

        landfall.config.ts:9:25
          9 |       instances: { min: 4, max: 2 },
            |                         ^

        No number of instances is at least 4 and at most 2.
        Nothing was changed.
        Next: swap the two, or raise max, then run  landfall check"
    `);
  });
});

describe("mistakes that people make", () => {
  test("the section is missing", async () => {
    expect(await errorOf('export default { name: "guestbook" };\n')).toMatchInlineSnapshot(`
      "error: missing key "services" in the app                                    CONFIG_MISSING_KEY

        landfall.config.ts:1:1
          1 | export default { name: "guestbook" };
            | ^^^^^^^^^^^^^^

        It has no default. Required: an object with an entry for each name.
        The kinds of process of the app, by name.
        Nothing was changed.
        Next: add "services" to the app, then run  landfall check"
    `);
  });

  test("nothing is written in it", async () => {
    expect(await errorOf("export default {};\n")).toMatchInlineSnapshot(`
      "error: missing key "name" in the app                                        CONFIG_MISSING_KEY

        landfall.config.ts:1:1
          1 | export default {};
            | ^^^^^^^^^^^^^^

        It has no default. Required: a name of lower-case letters, digits and hyphens that begins with a letter, at most 31 characters.
        The app's name: part of every name Landfall gives.
        Nothing was changed.
        Next: add "name" to the app, then run  landfall check   (1 more problem is listed below)

      error: missing key "services" in the app                                    CONFIG_MISSING_KEY

        landfall.config.ts:1:1
          1 | export default {};
            | ^^^^^^^^^^^^^^

        It has no default. Required: an object with an entry for each name.
        The kinds of process of the app, by name.
        Next: add "services" to the app, then run  landfall check"
    `);
  });

  test("the file is empty", async () => {
    expect(await errorOf("")).toMatchInlineSnapshot(`
      "error: "landfall.config.ts" has no default export                           CONFIG_NOT_DEFINED

        landfall.config.ts

        Landfall reads the app from the file's default export, an object.
        Nothing was changed.
        Next: write  export default defineApp({ ... }), then run  landfall check"
    `);
  });

  test("the section is misspelt", async () => {
    expect(await errorOf('export default {\n  name: "guestbook",\n  servces: { web: { command: "node server.js" } },\n};\n')).toMatchInlineSnapshot(`
      "error: unrecognized key "servces" in the app                           CONFIG_UNRECOGNIZED_KEY

        landfall.config.ts:3:3
          3 |   servces: { web: { command: "node server.js" } },
            |   ^^^^^^^ did you mean "services"?

        Ignoring it would leave "services" without a value, and it has no default.
        Nothing was changed.
        Next: rename the key, then run  landfall check"
    `);
  });

  test("the section has another name altogether", async () => {
    expect(await errorOf('export default {\n  name: "guestbook",\n  Foo: { web: { command: "node server.js" } },\n};\n')).toMatchInlineSnapshot(`
      "error: missing key "services" in the app                                    CONFIG_MISSING_KEY

        landfall.config.ts:1:1
          1 | export default {
            | ^^^^^^^^^^^^^^

        It has no default. Required: an object with an entry for each name.
        The kinds of process of the app, by name.
        Nothing was changed.
        Next: add "services" to the app, then run  landfall check   (1 more problem is listed below)

      error: unrecognized key "Foo" in the app                               CONFIG_UNRECOGNIZED_KEY

        landfall.config.ts:3:3
          3 |   Foo: { web: { command: "node server.js" } },
            |   ^^^

        Known there: name, recipe, services, environment, resources, release, routes, rollout, environments.
        Next: remove the key, then run  landfall check"
    `);
  });

  test("a key is misspelt", async () => {
    expect(
      await errorOf('export default {\n  name: "guestbook",\n  services: { web: { comand: "node server.js", port: 3000 } },\n};\n'),
    ).toMatchInlineSnapshot(`
      "error: unrecognized key "comand" in service "web"                      CONFIG_UNRECOGNIZED_KEY

        landfall.config.ts:3:22
          3 |   services: { web: { comand: "node server.js", port: 3000 } },
            |                      ^^^^^^ did you mean "command"?

        Ignoring it would leave "command" of service "web" without a value, and it has no default.
        Nothing was changed.
        Next: rename the key, then run  landfall check"
    `);
  });

  test("a kind of resource is misspelt", async () => {
    expect(await errorOf(withWeb("", '\n  resources: { database: { type: "postgress" } },'))).toMatchInlineSnapshot(`
      "error: wrong value for "type" of resource "database": "postgress"           CONFIG_WRONG_VALUE

        landfall.config.ts:12:34
          12 |   resources: { database: { type: "postgress" } },
             |                                  ^^^^^^^^^^^ did you mean "postgres"?

        Required: "postgres", "mysql", "queue", "bucket" or "cache".
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
  });

  test("a value is from another world", async () => {
    expect(await errorOf(withWeb("", '\n  environments: { local: { target: "t100.enormous" } },'))).toMatchInlineSnapshot(`
      "error: wrong value for "target" of environment "local": "t100.enormous"     CONFIG_WRONG_VALUE

        landfall.config.ts:12:36
          12 |   environments: { local: { target: "t100.enormous" } },
             |                                    ^^^^^^^^^^^^^^^

        Required: "local" or "aws".
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
  });

  test("a signal is misspelt", async () => {
    expect(await errorOf(withWeb('stop: { signal: "SIGTREM" },'))).toMatchInlineSnapshot(`
      "error: wrong value for "stop.signal" of service "web": "SIGTREM"            CONFIG_WRONG_VALUE

        landfall.config.ts:9:23
          9 |       stop: { signal: "SIGTREM" },
            |                       ^^^^^^^^^ did you mean "SIGTERM"?

        Required: "SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1" or "SIGUSR2".
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
  });

  test("a URL is none, and its password is not shown", async () => {
    expect(await errorOf(withWeb("", '\n  resources: { database: { type: "postgres", url: "db.example.com" } },'))).toMatchInlineSnapshot(`
      "error: wrong value for "url" of resource "database": "db.example.com"       CONFIG_WRONG_VALUE

        landfall.config.ts:12:51
          12 |   resources: { database: { type: "postgres", url: "db.example.com" } },
             |                                                   ^^^^^^^^^^^^^^^^

        Required: a URL such as "postgres://db.example.com:5432/app", or an object with \`secret\`.
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
    const text = await errorOf(withWeb("", '\n  resources: { database: { type: "postgres", url: " postgres://app:hunter2@db/app" } },'));
    expect(text).toContain("postgres://app:*******@db/app");
    expect(text).not.toContain("hunter2");
  });

  test("a path does not begin with a slash", async () => {
    expect(await errorOf(withWeb('health: { path: "ready" },'))).toMatchInlineSnapshot(`
      "error: wrong value for "health.path" of service "web": "ready"              CONFIG_WRONG_VALUE

        landfall.config.ts:9:23
          9 |       health: { path: "ready" },
            |                       ^^^^^^^

        Required: a path as it is requested: "/" at its beginning, no empty part, "." or "..", and what no URL may hold percent-encoded.
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
  });

  test("a number of instances is out of range", async () => {
    expect(await errorOf(withWeb("instances: 5000,"))).toMatchInlineSnapshot(`
      "error: wrong value for "instances" of service "web": 5000                   CONFIG_WRONG_VALUE

        landfall.config.ts:9:18
          9 |       instances: 5000,
            |                  ^^^^

        Required: a whole number from 0 to 1000, or an object with \`min\` and \`max\`.
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
  });

  test("an access key stands in the name of a secret", async () => {
    expect(await errorOf(withWeb('secrets: ["AKIA-1234"],'))).toMatchInlineSnapshot(`
      "error: wrong value for "secrets[0]" of service "web": "AKIA-1234"           CONFIG_WRONG_VALUE

        landfall.config.ts:9:17
          9 |       secrets: ["AKIA-1234"],
            |                 ^^^^^^^^^^^

        Required: a variable name of letters, digits and underscores.
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
  });

  test("a value comes from the environment and is not there", async () => {
    expect(await errorOf(withWeb("", "").replace('"node server.js"', "process.env.LANDFALL_NOT_SET"))).toMatchInlineSnapshot(`
      "error: wrong value for "command" of service "web": undefined                CONFIG_WRONG_VALUE

        landfall.config.ts:7:16
          7 |       command: process.env.LANDFALL_NOT_SET,
            |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        Required: a command that is not empty.
        The key is there, but its value is undefined.
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
  });

  test("a service's name has capitals", async () => {
    expect(await errorOf('export default { name: "a", services: { Web: { command: "x" } } };\n')).toMatchInlineSnapshot(`
      "error: wrong name in "services": "Web"                                      CONFIG_WRONG_VALUE

        landfall.config.ts:1:41
          1 | export default { name: "a", services: { Web: { command: "x" } } };
            |                                         ^^^

        Required: a name of lower-case letters, digits and hyphens that begins with a letter, at most 31 characters.
        Nothing was changed.
        Next: rename it, then run  landfall check"
    `);
  });

  test("a variable is a number", async () => {
    expect(await errorOf(withWeb("environment: { WORKERS: 4 },"))).toMatchInlineSnapshot(`
      "error: wrong value for "environment.WORKERS" of service "web": 4            CONFIG_WRONG_VALUE

        landfall.config.ts:9:31
          9 |       environment: { WORKERS: 4 },
            |                               ^

        Required: a text.
        Nothing was changed.
        Next: change the value, then run  landfall check"
    `);
  });
});

describe("places", () => {
  const place = async (text: string) =>
    (await errorOf(text))
      .split("\n")
      .slice(2, 5)
      .map((line) => line.trim())
      .join("\n");

  test("through a constant, as const, satisfies and a spread", async () => {
    expect(
      await place(
        'const shared = { prot: 1 } as const;\nconst web = { ...shared, command: "x" } satisfies object;\nconst services = { web };\nexport default { name: "a", services };\n',
      ),
    ).toBe('landfall.config.ts:1:18\n1 | const shared = { prot: 1 } as const;\n|                  ^^^^ did you mean "port"?');
  });

  test("through a member of a constant", async () => {
    expect(await place('const all = { web: { command: "x", prot: 1 } };\nexport default { name: "a", services: { web: all.web } };\n')).toMatch(
      /^landfall\.config\.ts:1:36/,
    );
  });

  test("of the key that counts when it is written twice", async () => {
    expect(
      await place('const base = { port: "one" };\nexport default { name: "a", services: { web: { port: 0, ...base, command: "x" } } };\n'),
    ).toMatch(/^landfall\.config\.ts:1:22/);
    expect(
      await place('const base = { port: "one" };\nexport default { name: "a", services: { web: { ...base, port: 0, command: "x" } } };\n'),
    ).toMatch(/^landfall\.config\.ts:2:63/);
  });

  test("at the nearest key when the rest is computed", async () => {
    expect(
      await place('const make = () => ({ command: "x", prot: 1 });\nexport default {\n  name: "a",\n  services: { web: make() },\n};\n'),
    ).toMatch(/^landfall\.config\.ts:4:15\n4 \| {3}services: \{ web: make\(\) \},\n\| +\^\^\^ did/);
  });

  test("at the export when nothing is written out", async () => {
    expect(await place('const app = () => ({ name: "a" });\nexport default app();\n')).toMatch(/^landfall\.config\.ts:2:16/);
  });

  test("in UTF-16 columns, behind tabs and Windows line ends", async () => {
    expect(await place('export default {\r\n\tname: "a", services: { web: { command: "é🎉", prot: 1 } },\r\n};\r\n')).toBe(
      'landfall.config.ts:2:48\n2 | \tname: "a", services: { web: { command: "é🎉", prot: 1 } },\n| \t                                              ^^^^ did you mean "port"?',
    );
  });

  test("of an item of a list", async () => {
    expect(await errorOfLiteral('{ name: "a", services: { web: { command: "x", port: 1 } }, routes: [{}, { deny: "yes" }] }')).toContain(
      "landfall.config.ts:1:96",
    );
  });
});
