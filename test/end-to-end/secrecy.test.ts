// Whatever fails, and whoever's words tell of it, no value of a secret comes out: not on the terminal, not as JSON, not in a file of the
// state, not in the process table. The app itself prints all that it was given, into its own logs.
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RecordedEvent, Status } from "../../src/reports.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello", "secrecy");
const paths = pathsOf(sandbox.home, "secrecy", "local");

/** A word of each value that no encoding changes: where it is found, a part of the value at least was let out. */
const marks: Record<string, string> = {};
const marked = (name: string) => {
  marks[name] = `mark${randomBytes(6).toString("hex")}`;
  return marks[name];
};
const SECRETS = {
  QUOTES: `it's "${marked("QUOTES")}" \\ and $HOME`,
  AT: `p@ss:${marked("AT")}@%40/end`,
  SPACES: `  two  ${marked("SPACES")} words <&> `,
  UNICODE: `schlüssel-✓-${marked("UNICODE")}-日本`,
  LINES: `first-${marked("LINES")}\nsecond-${marked("LINES_2")}\n`,
  LONG: `${randomBytes(2000).toString("hex")}${marked("LONG")}${randomBytes(40_000).toString("hex")}${marked("LONG_END")}`,
};
/** Passwords in URLs: of a database, and one that a step of the recipe's own makes up and Landfall cannot know. */
const DATABASE_PASSWORD = `w@rd/${marked("DATABASE_PASSWORD")}`;
const STEP_PASSWORD = `x@${marked("STEP_PASSWORD")}`;
const stepPassword = join(sandbox.folder, "step-password");

const SERVER = `import { existsSync } from "node:fs";
import { createServer } from "node:http";
const all = () => Object.entries(process.env).map(([name, value]) => name + "=" + value).join("\\n") + JSON.stringify(process.env);
// What is still in hand when a program ends is lost in Node, where its pipe is full.
if (process.env.MODE === "dies") { await new Promise((done) => process.stderr.write(all() + "\\n", done)); throw new Error("cannot go on with " + process.env.QUOTES); }
createServer((request, response) => {
  if (request.url === "/die") { console.error(all()); console.log(Buffer.from(process.env.AT).toString("base64")); process.exit(3); }
  if (request.url === "/drain") return response.writeHead(503).end("not yet, busy with " + process.env.SPACES);
  if (request.url === "/health" && process.env.MODE === "leaks") return response.end(process.env.QUOTES);
  if (request.url === "/health" && process.env.MODE === "sick") return response.writeHead(500).end(all());
  response.end("well");
}).listen(Number(process.env.PORT), "127.0.0.1");
`;
const configuration = ({ mode = "well", expand = "", build = "", recipe = "", resources = "", command = "exec node server.js", drain = "" }) =>
  `import { defineApp } from "landfall";
export default defineApp({
  name: "secrecy",
  resources: { database: { type: "postgres" }, ${resources} },
  recipe: { steps: [${JSON.stringify(recipe || "true")}] },
  release: { build: [${JSON.stringify(build || "true")}], expand: ${JSON.stringify(expand || "true")} },
  services: {
    web: {
      command: ${JSON.stringify(command)}, port: 8080, environment: { MODE: "${mode}" },
      secrets: ${JSON.stringify(Object.keys(SECRETS))},
      health: { path: "/health", interval: "100ms", startupTimeout: "3s", steadyFor: "200ms" }, drain: { timeout: "1s", ${drain} }, stop: { timeout: "2s" },
    },
  },
});
`;

/** Everything that any command has printed. */
let printed = "";
let cmdlines = "";
const noteProcesses = () => {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      cmdlines += readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
      // It has ended.
    }
  }
};

async function run(...args: string[]): Promise<Outcome> {
  return runWith("", ...args);
}
async function runWith(input: string, ...args: string[]): Promise<Outcome> {
  const looking = setInterval(noteProcesses, 100);
  try {
    const outcome = await sandbox.runWithInput(input, app, ...args);
    printed += outcome.stdout + outcome.stderr;
    return outcome;
  } finally {
    clearInterval(looking);
  }
}
async function succeed(...args: string[]): Promise<Outcome> {
  const outcome = await run(...args);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
}
const statusOf = async () => JSON.parse((await succeed("status", "local", "--json")).stdout) as Status;

/** With all that is printed on the way; its error's code. */
async function fails(settings: Parameters<typeof configuration>[0], command = "deploy"): Promise<string> {
  change(app, "landfall.config.ts", configuration(settings));
  const { code, stderr } = await run(command, "local", "--verbose", "--json");
  expect(code, stderr).toBe(1);
  return (/"code": "([A-Z_]+)"/.exec(stderr) ?? [])[1] ?? stderr;
}

/** The names of the secrets that are found in a text, in whatever form their mark survives. */
const foundIn = (text: string) =>
  Object.entries(marks).flatMap(([name, mark]) => (text.includes(mark) || text.includes(base64Of(mark)) ? [name] : []));
/** What base64 makes of the mark's middle, wherever it begins in a longer text, has this in common for the start that AT has. */
const base64Of = (mark: string) => Buffer.from(`p@ss:${mark}`).toString("base64").slice(8, 24);

/** The store, which is encrypted, and what programs of the app have printed: into their logs, and the spools on the way there. */
const OWN = [paths.secrets, paths.logs, join(paths.app, "logs"), join(paths.supervisor, "spool")];
function leakingFiles(): string[] {
  const files = readdirSync(sandbox.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).filter((file) => !OWN.some((own) => file.startsWith(own)));
  expect(paths.some((file) => file.endsWith("processes.json"))).toBe(true);
  return paths.flatMap((file) => {
    const found = foundIn(existsSync(file) ? readFileSync(file, "latin1") : "");
    return found.length > 0 ? [`${file}: ${found.join(", ")}`] : [];
  });
}

async function expectKept(): Promise<void> {
  for (const command of ["status", "events"]) await run(command, "local", "--json");
  expect(foundIn(printed)).toEqual([]);
  expect(leakingFiles()).toEqual([]);
  expect(foundIn(cmdlines)).toEqual([]);
}

beforeAll(async () => {
  change(app, "server.js", SERVER);
  change(app, "landfall.config.ts", configuration({}));
  await succeed("commission", "local");
  mkdirSync(join(sandbox.folder, "values"));
  writeFileSync(stepPassword, STEP_PASSWORD);
  for (const [name, value] of Object.entries(SECRETS)) {
    const file = join(sandbox.folder, "values", name);
    writeFileSync(file, value);
    await succeed("secrets", "set", "local", name, "--from-file", file);
  }
  await succeed("deploy", "local", "--verbose");
  // What the app was given is what was set, to the byte.
  const script = `Object.entries(process.env).map(([name, value]) => name + " " + crypto.createHash("sha256").update(value).digest("hex")).join("\\n")`;
  const given = (await sandbox.run(app, "exec", "local", "web", "--", "node", "-p", script)).stdout.split("\n");
  for (const [name, value] of Object.entries(SECRETS)) expect(given).toContain(`${name} ${createHash("sha256").update(value).digest("hex")}`);
});
afterAll(() => sandbox.dispose());

describe("a secret's value is refused when", () => {
  const refusal = async (value: string | Buffer, name = "QUOTES", how: "stdin" | "file" = "file") => {
    const file = join(sandbox.folder, "refused");
    writeFileSync(file, value);
    const outcome =
      how === "stdin"
        ? await runWith(String(value), "secrets", "set", "local", name)
        : await run("secrets", "set", "local", name, "--from-file", file);
    expect(outcome.code).toBe(2);
    return outcome.stderr;
  };

  it.each(["stdin", "file"] as const)("it holds a NUL, from %s", async (how) => {
    expect(await refusal(`a${marked(`NUL_${how}`)}\0tail`, "QUOTES", how)).toMatch(/the value for "QUOTES" holds a NUL byte .*SECRET_REFUSED/);
    await expectKept();
  });

  it("it is longer than a process can be given", async () => {
    const most = 128 * 1024 - "LONG=".length - 1;
    const value = "a".repeat(most);
    expect(await refusal(`${value}a`, "LONG")).toMatch(/the value for "LONG" has 131067 bytes .*SECRET_REFUSED/);
    expect(await refusal(`${value.slice(1)}é`, "LONG")).toContain("SECRET_REFUSED");
  });

  it("it is no text", async () => {
    expect(await refusal(Buffer.from([0xfe, 0xed, 0x80, 0xff]))).toMatch(/is no text in UTF-8/);
  });

  it.each(["", "A-B", "1A", "__proto__", "resource/database/url"])("its name is %j, and so is its removal", async (name) => {
    expect(await refusal("value", name)).toContain(`"${name}" is no name for a secret`);
    expect(await run("secrets", "remove", "local", name)).toMatchObject({ code: 2 });
    expect(await run("status", "local")).toMatchObject({ code: 0 });
  });
});

describe("no value comes out when", () => {
  it("an instance prints all that it was given and does not start", async () => {
    expect(await fails({ mode: "dies" })).toMatch(/^INSTANCE_/);
    expect((await run("deploy", "local", "--verbose")).stderr).toContain("cannot go on with ***");
    await expectKept();
  });

  it("its health check answers with them", async () => {
    expect(await fails({ mode: "leaks" })).toBe("HEALTH_LEAKS");
    expect(await fails({ mode: "sick" })).toMatch(/^HEALTH_/);
    await expectKept();
  });

  it("the program of an instance is not there", async () => {
    expect(await fails({ command: 'exec "/opt/$QUOTES" "$AT"' })).toMatch(/^INSTANCE_/);
    await expectKept();
  });

  it("the release phase prints them", async () => {
    expect(await fails({ expand: 'echo "$DATABASE_URL $QUOTES $AT $LINES" >&2; env; exit 1' })).toBe("MIGRATION_FAILED");
    await expectKept();
  });

  it("a step prints a URL with a password", async () => {
    expect(await fails({ build: `echo "fatal: https://git:$(cat ${stepPassword})@git.example/x.git refused" >&2; exit 1` })).toBe(
      "BUILD_STEP_FAILED",
    );
    await expectKept();
  });

  it("a database of one's own does not let it in, or its URL is none", async () => {
    const port = new URL((await sandbox.run(app, "exec", "local", "web", "--", "printenv", "DATABASE_URL")).stdout.trim()).port;
    const resources = 'other: { type: "postgres", url: { secret: "OTHER_URL" } }';
    for (const [url, why] of [
      [`postgres://app:${encodeURIComponent(DATABASE_PASSWORD)}@127.0.0.1:${port}/app`, /password authentication failed|does not exist/],
      [`postgres://app:${DATABASE_PASSWORD}@127.0.0.1:${port}/app`, /percent/],
      [`postgres//app:${DATABASE_PASSWORD}@127.0.0.1:${port}/app`, /not a URL/],
    ] as const) {
      await runWith(url, "secrets", "set", "local", "OTHER_URL");
      expect(await fails({ resources }, "commission")).toBe("RESOURCE_FAILED");
      expect(printed).toMatch(why);
    }
    change(app, "landfall.config.ts", configuration({}));
    await expectKept();
  });

  it("a URL with a password stands in the configuration, which is wrong", async () => {
    change(app, "landfall.config.ts", configuration({ resources: `other: { type: "postgres", url: "postgres ://app:${STEP_PASSWORD}@h/x" }` }));
    for (const form of [[], ["--json"]]) expect(await run("check", ...form)).toMatchObject({ code: 2 });
    change(app, "landfall.config.ts", configuration({}));
    await expectKept();
  });

  it("an instance does not let itself be stopped", async () => {
    change(app, "landfall.config.ts", configuration({ drain: 'ask: "/drain"' }));
    await run("deploy", "local", "--force");
    expect(await fails({ drain: 'ask: "/drain"', expand: "echo 2" })).toBe("DRAIN_VETOED");
    change(app, "landfall.config.ts", configuration({ expand: "echo 3" }));
    expect(await run("deploy", "local", "--force")).toMatchObject({ code: 0 });
    await expectKept();
  });

  it("instances crash again and again, and are given up", async () => {
    const { address } = await statusOf();
    const gaveUp = async () =>
      (JSON.parse((await succeed("events", "local", "--json")).stdout) as RecordedEvent[]).some(({ type }) => type === "gave-up");
    while (!(await gaveUp())) await fetch(`${address}/die`).catch(() => {});
    // And as text.
    expect((await run("status", "local")).stdout).toContain("ended with status 3");
    for (const command of ["events", "plan"]) await run(command, "local");
    await expectKept();
  });
});
