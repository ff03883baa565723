// The words are those of the programs themselves, run on 2026-11-29 with npm 10, Node 20, Ruby 3.3 and Python 3.11.
import { expect, it } from "vitest";
import { excerptOf } from "../../src/text/excerpt.ts";

const numbered = (count: number, text: (number: number) => string) => Array.from({ length: count }, (_, place) => text(place + 1));

it("is all of it when it is short", () => {
  expect(excerptOf(["one", "", "\u001b[31mtwo\u001b[39m"], 8)).toEqual(["one", "two"]);
});

it("keeps what npm says before its usage", () => {
  const usage = [
    "Usage:",
    "npm ci",
    "Options:",
    ...numbered(16, (number) => `[--option-${number}]`),
    "aliases: clean-install, ic",
    'Run "npm help ci" for more info',
  ];
  const lines = [
    "npm error code EUSAGE",
    "npm error",
    "npm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json are in sync.",
    "npm error",
    "npm error Missing: left-pad@1.3.0 from lock file",
    "npm error",
    "npm error Clean install a project",
    ...usage.map((line) => `npm error ${line}`),
    "npm error A complete log of this run can be found in: /tmp/debug-0.log",
  ];
  const shown = excerptOf(lines, 8);
  expect(shown).toHaveLength(8);
  expect(shown.slice(0, 5)).toEqual([lines[0], lines[2], lines[4], lines[6], "… 19 more lines"]);
});

it("keeps the message of Node's trace, also where calls and a cause come after it", () => {
  const lines = [
    "/app/server.js:3",
    "  throw new TypeError('no licence for shop');",
    "  ^",
    "",
    "TypeError: no licence for shop",
    ...numbered(9, (number) => `    at call${number} (node:internal/modules:${number}:1)`),
    "",
    "Node.js v20.20.2",
  ];
  expect(excerptOf(lines, 8)).toEqual([
    "/app/server.js:3",
    "  throw new TypeError('no licence for shop');",
    "  ^",
    "TypeError: no licence for shop",
    "    at call1 (node:internal/modules:1:1)",
    "    at call2 (node:internal/modules:2:1)",
    "    … 7 more calls",
    "Node.js v20.20.2",
  ]);
  expect(excerptOf([...numbered(12, (number) => `request ${number}`), ...lines, "{ code: 'E1',", "  a: 1,", "  b: 2,", "  c: 3 }"], 5)).toEqual([
    "TypeError: no licence for shop",
    "    at call1 (node:internal/modules:1:1)",
    "… 5 more lines",
    "  b: 2,",
    "  c: 3 }",
  ]);
});

it("keeps the message of Ruby's trace, which stands above its calls", () => {
  const lines = [
    ...numbered(9, (number) => `I, request ${number}`),
    "app.rb:3:in `start': no licence (RuntimeError)",
    ...numbered(11, (number) => `\tfrom app.rb:${number}:in \`call'`),
  ];
  const shown = excerptOf(lines, 8);
  expect(shown.slice(-4)).toEqual([
    "app.rb:3:in `start': no licence (RuntimeError)",
    "\tfrom app.rb:1:in `call'",
    "\tfrom app.rb:2:in `call'",
    "    … 9 more calls",
  ]);
});

it("keeps the message of Python's trace, which stands below its calls", () => {
  const frame = (number: number) => [`  File "/app/m.py", line ${number}, in call`, `    call(${number})`];
  const lines = ["Traceback (most recent call last):", ...numbered(6, frame as never).flat(), "ValueError: no licence for shop"];
  expect(excerptOf(lines, 8).at(-1)).toBe("ValueError: no licence for shop");
});

it("is the end where nothing says why", () => {
  expect(
    excerptOf(
      numbered(30, (number) => `line ${number}`),
      3,
    ),
  ).toEqual(["line 28", "line 29", "line 30"]);
});
