// What README and docs show is typed by people as it stands: each command line is one that the command line takes, and so is each that
// a message or a help text advises. (What they promise in words is for the other suites.)
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Command } from "../src/cli/command.ts";
import { COMMANDS } from "../src/cli/commands.ts";
import { makeProgram } from "../src/cli/main.ts";
import { loadConfig } from "../src/config/load.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending))
    .map((file) => join(folder, file))
    .sort();
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const DOCS = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", ...filesIn("docs", ".md"), ...filesIn("examples", "README.md")];

/** A line of a shell without its comment, up to where it is joined with another. */
const typed = (line: string): string =>
  line
    .replace(/\s#\s.*$/, "")
    .split(/ (?:[|<>]|&&|2>|\|\|) /)[0]
    ?.trim() ?? "";

function shownIn(text: string): string[] {
  const prose = text.replace(/^```.*?^```/gms, "");
  const blocks = [...text.matchAll(/^```.*?\n(.*?)^```/gms)].map(([, block]) => block ?? "");
  const lines = blocks.flatMap((block) => [...block.matchAll(/^\s*(?:\$ )?(?:npx )?(landfall .*)$/gm)]);
  return [...lines, ...prose.matchAll(/`(?:npx )?(landfall [^`]+)`/g)].map(([, line]) => typed(line ?? ""));
}

/** In messages two spaces stand around what is to be typed, unless it is all of the advice. */
function advisedIn(source: string): string[] {
  const value = /\$\{(?:[^{}]|\{[^{}]*\})*\}/.source;
  const code = source
    .replace(/^\s*(\/\/|\/?\*).*$/gm, "")
    .replace(new RegExp(`(\\S?)${value}`, "g"), (_, before) => (/["`=]/.test(before) || !before ? `${before}x` : before));
  return [...code.matchAll(/(?:next: ["`]| {2})(landfall [a-z]+(?:(?! {2})[^"`\n])*)/g)].map(([, line]) => typed(line ?? ""));
}

/** `undefined` where the command line takes it; its objection otherwise. A command named without its arguments only has to be there. */
async function objectionTo(line: string): Promise<string | undefined> {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].slice(1).map(([, double, single, bare]) => double ?? single ?? bare ?? "");
  const [name = "", ...rest] = words[0] === "help" ? [words[1] ?? "status"] : words;
  const entry = COMMANDS.find((one) => one.name === name);
  if (!entry) return name.startsWith("-") || name === "x" ? undefined : `there is no command "${name}"`;
  const program = await makeProgram(name, [entry]);
  const command = program.commands[0] as Command;
  if (rest.length === 0 || (rest.length === 1 && command.commands.some((one) => one.name() === rest[0]))) return undefined;
  for (const one of [command, ...command.commands]) if (one.commands.length === 0) one.action(() => {});
  return program.parseAsync([name, ...rest], { from: "user" }).then(
    () => undefined,
    (error) => String(error.message),
  );
}

/** Not to be typed as it is: an argument's name, the usage of a command, something left out. */
const isPattern = (line: string): boolean => /[<>[\]…]|\.\.\.|NAME\b|──/.test(line);

async function objections(files: string[], linesOf: (text: string) => string[]) {
  const lines = files.flatMap((file) =>
    linesOf(read(file))
      .filter((line) => !isPattern(line))
      .map((line) => [file, line] as const),
  );
  const found: string[] = [];
  for (const [file, line] of lines) {
    const objection = await objectionTo(line);
    if (objection !== undefined) found.push(`${file}: ${line}: ${objection}`);
  }
  return { lines: lines.length, found };
}

describe("a command line", () => {
  it("that README or docs show is taken", async () => {
    const { lines, found } = await objections(DOCS, shownIn);
    expect(found).toEqual([]);
    expect(lines).toBeGreaterThan(100);
  });

  it("that a message or a help text advises is taken", async () => {
    const { lines, found } = await objections(filesIn("src", ".ts"), advisedIn);
    expect(found).toEqual([]);
    expect(lines).toBeGreaterThan(40);
  });

  it("with a mistake is not", async () => {
    expect(await objectionTo("landfall deplyo local")).toBe('there is no command "deplyo"');
    expect(await objectionTo("landfall deploy local --drity")).toMatch(/has no option "--drity"/);
    expect(await objectionTo("landfall secrets sett local NAME")).toMatch(/no command/);
  });
});

it.each(["README.md", "docs/configuration.md", "docs/containers.md"])("a configuration that %s shows is one", async (file) => {
  const folder = mkdtempSync(join(tmpdir(), "landfall-docs-"));
  try {
    for (const [, block = ""] of read(file).matchAll(/^```ts\n(.*?)^```/gms)) {
      // What is a part of one only needs the rest around it.
      const whole = block.includes("defineApp(")
        ? block
        : `export default { name: "app", ${block} environments: { production: { target: "aws" } } };`;
      writeFileSync(join(folder, "landfall.config.ts"), whole);
      expect((await loadConfig(join(folder, "landfall.config.ts"))).app.name).toBeTruthy();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
