import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/cli/commands.ts";
import { CONFIG, type Folder, makeFolder } from "./command-line.ts";

let empty: Folder;
let app: Folder;

beforeAll(() => {
  empty = makeFolder();
  app = makeFolder();
  app.write("landfall.config.ts", CONFIG);
});
afterAll(() => {
  empty.remove();
  app.remove();
});

/** The error as printed: what and code on the first line, whatever the space between them. */
const squeeze = (text: string) => text.replace(/ {3,}(?=[A-Z_]+\n)/, "  ");

async function refusal(folder: Folder, ...args: string[]): Promise<[number, string]> {
  const { status, stdout, stderr } = await folder.landfall(args);
  expect(stdout).toBe("");
  return [status, squeeze(stderr)];
}

describe("help", () => {
  it("goes to stderr as wrong use when nothing was typed", async () => {
    const { status, stdout, stderr } = await empty.landfall([]);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^Usage: landfall \[options\] \[command\]\n/);
  });

  it("goes to stdout when it was asked for, and is the same", async () => {
    const short = await empty.landfall(["-h"]);
    const word = await empty.landfall(["help"]);
    const nothing = await empty.landfall([]);
    expect([short.status, short.stderr]).toEqual([0, ""]);
    expect(word).toEqual(short);
    expect(short.stdout).toBe(nothing.stderr);
  });

  it.each([
    "init",
    "check",
    "commission",
    "deploy",
    "rollback",
    "resume",
    "abort",
    "status",
    "hosts",
    "logs",
    "events",
    "scale",
    "exec",
    "shell",
    "secrets",
    "launch",
    "clean",
    "decommission",
  ])("of %s has at least two examples", async (name) => {
    const { status, stdout, stderr } = await empty.landfall(["help", name]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.split("Examples:\n")[1]?.trim().split("\n").length).toBeGreaterThanOrEqual(2);
  });

  it("of one command is whole", async () => {
    expect((await empty.landfall(["status", "--help"])).stdout).toBe(`Usage: landfall status [options] <env>

show address, release, instances and resources

Arguments:
  env         an environment of landfall.config.ts

Options:
  --json      print one JSON document on stdout
  -h, --help  print what can be typed here

Examples:
  landfall status local
  landfall status local --json | jq -r .address
`);
  });

  it("does not stand in for the version", async () => {
    expect(await empty.landfall(["--version"])).toEqual({ status: 0, stdout: "0.1.0\n", stderr: "" });
  });
});

describe("words that Landfall does not know", () => {
  it("a command, with a suggestion", async () => {
    expect(await refusal(empty, "deplyo", "local")).toEqual([
      2,
      `error: there is no command "landfall deplyo"  USAGE

  Nothing was changed.
  Next: did you mean  deploy ?
`,
    ]);
  });

  it.each(COMMANDS.map(({ name }) => name))("a letter too few in %s", async (name) => {
    const [status, text] = await refusal(empty, `${name[0]}${name.slice(2)}`);
    expect([status, text]).toEqual([
      2,
      expect.stringMatching(new RegExp(`^error: there is no command .* USAGE\n.*did you mean .*\\b${name}\\b`, "s")),
    ]);
  });

  it.each(COMMANDS.map(({ name }) => name).filter((name) => !["secrets", "shell"].includes(name)))(
    "an option of %s with two letters exchanged",
    async (name) => {
      const [status, text] = await refusal(empty, name, "local", "--jsno");
      expect([status, text]).toEqual([2, expect.stringMatching(new RegExp(`^error: "landfall ${name}" has no option "--jsno" +USAGE\n`))]);
      expect(text).toContain("Next: did you mean  --json ?");
    },
  );

  it("a command that resembles none", async () => {
    expect(await refusal(empty, "xyzzy")).toEqual([
      2,
      `error: there is no command "landfall xyzzy"  USAGE

  Nothing was changed.
  Next: landfall --help
`,
    ]);
  });

  it("an option, with a suggestion", async () => {
    expect(await refusal(app, "deploy", "local", "--dirti")).toEqual([
      2,
      `error: "landfall deploy" has no option "--dirti"  USAGE

  Nothing was changed.
  Next: did you mean  --dirty ?
`,
    ]);
  });

  it("an option of the command that exec is to run", async () => {
    expect(await refusal(app, "exec", "local", "web", "ls", "-l")).toEqual([
      2,
      `error: "landfall exec" has no option "-l"  USAGE

  Nothing was changed.
  Next: put -- before the command to run:  landfall exec local web -- ls -l
`,
    ]);
  });

  it("a secrets command", async () => {
    expect(await refusal(app, "secrets", "lst", "local")).toEqual([
      2,
      `error: there is no command "landfall secrets lst"  USAGE

  Nothing was changed.
  Next: did you mean  list ?
`,
    ]);
  });
});

describe("arguments", () => {
  it("too many", async () => {
    expect(await refusal(app, "status", "local", "web", "now")).toEqual([
      2,
      `error: "landfall status" takes 1 argument, but 3 were given  USAGE

  landfall status local web now
  Nothing was changed.
  Next: landfall help status
`,
    ]);
  });

  it("no environment lists those of the configuration", async () => {
    expect(await refusal(app, "status")).toEqual([
      2,
      `error: "landfall status" needs the name of an environment  USAGE

  landfall.config.ts has "local", "staging"
  Nothing was changed.
  Next: landfall status local
`,
    ]);
  });

  const onAws = CONFIG.replace('staging: { target: "local" }', 'staging: { target: "aws" }, production: { target: "aws" }');
  it.each([
    [["preflight"], onAws, 'landfall.config.ts has "staging", "production" on AWS', "landfall preflight staging"],
    [["iam"], onAws, 'landfall.config.ts has "staging", "production" on AWS', "landfall iam staging"],
    [["boot"], onAws, 'landfall.config.ts has "local" on this machine', "landfall boot local"],
    [
      ["preflight"],
      CONFIG,
      'landfall.config.ts has "local", "staging", and none of them on AWS',
      'add one under environments:  production: { target: "aws" }',
    ],
    [["preflight"], "no configuration", "landfall.config.ts cannot be read as it is", "landfall check"],
  ])("no environment for %j names those that it is for", async (args, config, why, next) => {
    const folder = makeFolder();
    folder.write("landfall.config.ts", config);
    const [command] = args;
    expect(await refusal(folder, ...args)).toEqual([
      2,
      `error: "landfall ${command}" needs the name of an environment  USAGE\n\n  ${why}\n  Nothing was changed.\n  Next: ${next}\n`,
    ]);
    folder.remove();
  });

  it("an option without its value", async () => {
    expect(await refusal(app, "logs", "local", "--since")).toEqual([
      2,
      `error: option "--since <time>" of "landfall logs" has no value  USAGE

  Nothing was changed.
  Next: landfall help logs
`,
    ]);
  });

  it.each([
    [["logs", "local", "--since", "10 minutes"], '--since "10 minutes" is neither a duration nor a date'],
    [["logs", "local", "--since", "2026-13-41"], '--since "2026-13-41" is neither a duration nor a date'],
    [["logs", "local", "--grep", "a("], '--grep "a(" is not a regular expression'],
    [["logs", "local", "--tail", "-1x"], '--tail is "-1x", but must be a whole number from 0 on'],
    [["scale", "local", "web"], '"web" does not say how many instances of which service'],
    [["scale", "local", "web=two"], 'the number of instances of "web" is "two", but must be a whole number from 0 on'],
    [["scale", "local", "web=1", "web=2"], 'service "web" is given twice'],
    [["deploy", "local", "main", "--dirty"], '--dirty and the git ref "main" exclude each other'],
    [["hosts", "local", "--list", "--host", "a"], "--list and --host exclude each other"],
  ])("%j", async (args, what) => {
    const [status, text] = await refusal(app, ...args);
    expect([status, text.split("\n")[0]]).toEqual([2, expect.stringMatching(/ USAGE$/)]);
    expect(text.split("\n")[0]).toContain(`error: ${what} `);
  });

  it("as JSON when --json was typed", async () => {
    const { status, stdout, stderr } = await app.landfall(["status", "local", "--json", "--al"]);
    expect([status, stdout]).toEqual([2, ""]);
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: "USAGE",
        what: '"landfall status" has no option "--al"',
        standing: "Nothing was changed.",
        next: "landfall help status",
        exitCode: 2,
      },
    });
  });
});

describe("launch", () => {
  it.each(["0", "-1", "2.5", "two"])("of %s servers", async (count) => {
    expect(await refusal(app, "launch", ".", "--", count)).toEqual([
      2,
      `error: the number of servers <n> is "${count}", but must be a whole number from 1 on  USAGE

  Nothing was changed.
`,
    ]);
  });

  it("of more than the guard", async () => {
    expect(await refusal(app, "launch", ".", "6")).toEqual([
      2,
      `error: the number of servers "6" is not a whole number from 1 to 5  SCALE_OUT_OF_RANGE

  Nothing was changed.
  Next: landfall launch <dir> 6 --max 6
`,
    ]);
  });

  it("of a folder that is no app", async () => {
    expect(await refusal(empty, "launch", ".", "2")).toEqual([2, noConfig(empty)]);
  });
});

describe("outside any app", () => {
  it("status says where it looked", async () => {
    expect(await refusal(empty, "status", "local")).toEqual([2, noConfig(empty)]);
  });

  it("a missing environment is told without a list", async () => {
    expect(await refusal(empty, "status")).toEqual([
      2,
      `error: "landfall status" needs the name of an environment  USAGE

  no landfall.config.ts stands here or above that could be asked
  Nothing was changed.
  Next: landfall init
`,
    ]);
  });
});

describe("what could be done by mistake", () => {
  it("decommission without a terminal and without --yes", async () => {
    expect(await refusal(app, "decommission", "staging")).toEqual([
      3,
      `error: decommissioning "staging" was not confirmed  CONFIRMATION_DECLINED

  It removes all of it, its data too, and there is no terminal to ask on.
  Nothing was changed.
  Next: landfall decommission staging --yes
`,
    ]);
  });

  it("decommission of an environment that is not there", async () => {
    const [status, text] = await refusal(app, "decommission", "prod");
    expect([status, text.split("\n")[0]]).toEqual([2, 'error: there is no environment "prod" in this app  ENVIRONMENT_UNKNOWN']);
    expect((await refusal(app, "status", "stagin"))[1]).toContain(`did you mean "staging"?`);
  });

  it("check of a configuration that names files which are not there", async () => {
    const folder = makeFolder();
    const files =
      'recipe: { files: ["requirements.txt"] }, services: { web: { command: "x", port: 1, container: { dockerfile: "docker/Dockerfile" } } }';
    folder.write("landfall.config.ts", `export default { name: "shop", ${files} };`);
    const [status, text] = await refusal(folder, "check");
    expect(status).toBe(2);
    expect(text).toContain('there is no file "requirements.txt", which the key "recipe.files" names  RECIPE_FILE_MISSING');
    expect(text).toContain('there is no file "docker/Dockerfile", which the key "services.web.container.dockerfile" names  CONTAINER_FILE_MISSING');
    folder.remove();
  });

  it("secrets set without a value", async () => {
    expect(await refusal(app, "secrets", "set", "local", "API_KEY")).toEqual([
      2,
      `error: no value for the secret "API_KEY" arrived  USAGE

  stdin was empty
  Nothing was changed.
  Next: landfall secrets set local API_KEY < FILE
`,
    ]);
  });

  it("secrets set with the value among the arguments, which is not printed again", async () => {
    const [status, text] = await refusal(app, "secrets", "set", "local", "API_KEY", "hunter2");
    expect(status).toBe(2);
    expect(text).not.toContain("hunter2");
  });
});

const noConfig = ({ path }: Folder) => {
  const what = `error: no landfall.config.ts in "${path}" or above it  CONFIG_NOT_FOUND`;
  const looked =
    'Looked for landfall.config.ts, landfall.config.mts, landfall.config.js, landfall.config.mjs, and for the key "landfall" in package.json.';
  return `${what}\n\n  ${looked}\n  Nothing was changed.\n  Next: landfall init\n`;
};
