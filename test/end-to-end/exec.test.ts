// Commands run by hand, through the built command: byte for byte, as they come, on a terminal, and without a trace.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { observeStart } from "../../src/system/processes.ts";
import { requires } from "../skips.ts";
import { change, makeSandbox } from "./sandbox.ts";

const BIN = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));
const sandbox = makeSandbox();
const env = { ...process.env, LANDFALL_HOME: sandbox.home, NO_COLOR: "1" };
let app: string;

const config = (expand = "") => `export default { name: "hello",
  ${expand && `release: { expand: ${JSON.stringify(expand)} },`}
  services: { web: { command: "exec node server.js", port: 8080, instances: 2, environment: { GREETING: "hi there" },
    health: { interval: "200ms", steadyFor: "200ms" }, drain: { timeout: "2s" }, stop: { timeout: "2s" } },
    report: { command: "true", schedule: "0 3 * * *" } },
  environments: { local: { target: "local" } } };
`;

const landfall = (...args: string[]) => sandbox.run(app, ...args);

interface Piped {
  code: number | null;
  stdout: Buffer;
  stderr: string;
}

/** With bytes on stdin and bytes as the answer. */
function piped(input: Buffer, ...args: string[]): Piped {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], { cwd: app, env, input, maxBuffer: 2 ** 28 });
  return { code: status, stdout, stderr: stderr.toString() };
}

/** What is printed by then is looked at while it still runs. */
function begin(program: string, args: string[]) {
  const child = spawn(program, args, { cwd: app, env });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (said.stdout += chunk));
  child.stderr.on("data", (chunk) => (said.stderr += chunk));
  const ended = new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  return { child, said, ended };
}

const words = (text: string) => text.trim().split(/\s+/);

beforeAll(async () => {
  app = sandbox.copyApp("test/fixtures/apps/hello");
  change(app, "landfall.config.ts", config("exit 1"));
  await landfall("commission", "local");
});
afterAll(() => sandbox.dispose());

it("says what to do while there is no release", async () => {
  const { code, stderr } = await landfall("exec", "local", "web", "--", "true");
  expect([code, stderr]).toEqual([2, expect.stringMatching(/no release was deployed .*RELEASE_UNKNOWN[\s\S]*Next: landfall deploy local/)]);
});

it("runs in the newest release after a first deploy that failed", async () => {
  expect(await landfall("deploy", "local")).toMatchObject({ code: 1 });
  const { code, stdout, stderr } = await landfall("exec", "local", "web", "--", "sh", "-c", "echo $GREETING; ls server.js");
  expect([code, stdout]).toEqual([0, "hi there\nserver.js\n"]);
  expect(stderr).toMatch(/no release serves yet: release \w+ is used, the newest that is here/);
  change(app, "landfall.config.ts", config());
  // Whoever reads goes away after the first line: the deploy is there to be done, not to be read.
  spawnSync("sh", ["-c", '"$0" "$1" deploy local 2>&1 | head -1', process.execPath, BIN], { cwd: app, env });
  expect(JSON.parse((await landfall("status", "local", "--json")).stdout)).toMatchObject({
    release: expect.any(String),
    services: [{ healthy: 2 }, {}],
  });
});

it("is the command's own streams, byte for byte, and its exit status", () => {
  const bytes = randomBytes(300_000);
  const { code, stdout, stderr } = piped(bytes, "exec", "local", "web", "--", "sh", "-c", "cat; echo err >&2; exit 7");
  expect([code, stderr, stdout.equals(bytes)]).toEqual([7, "err\n", true]);
  const lines = "for (let i = 0; i < 90000; i++) console.log(String(i).padEnd(900, '.'))";
  expect(piped(Buffer.alloc(0), "exec", "local", "web", "--", "node", "-e", lines).stdout).toHaveLength(90_000 * 901);
  expect(piped(Buffer.alloc(0), "exec", "local", "web", "--", "sh", "-c", "kill -KILL $$").code).toBe(137);
  expect(piped(Buffer.alloc(0), "exec", "local", "web", "--", "no-such-program")).toMatchObject({
    code: 127,
    stderr: "landfall: no-such-program: not found\n",
  });
});

it("has the variables of an instance, and no others", async () => {
  const { instances } = JSON.parse((await landfall("status", "local", "--json")).stdout).services[0];
  const { stdout } = await landfall("exec", "local", "web", "--instance", "web.2", "--", "env");
  const second = instances.find(({ slot }: { slot: number }) => slot === 2);
  expect(stdout.split("\n")).toEqual(expect.arrayContaining(["GREETING=hi there", `LANDFALL_INSTANCE=${second.id}`, `PORT=${second.port}`]));
  expect(stdout).not.toMatch(/^(NO_COLOR|VITEST|LANDFALL_HOME|TERM)=/m);
  expect(await landfall("exec", "local", "web", "--instance", "web.9", "--", "env")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('has no instance "web.9"'),
  });
});

it("streams as it comes, and passes signals on", async () => {
  const script = "trap 'echo asked; exit 9' TERM; echo ready; read line; echo heard $line; while :; do sleep 0.05; done";
  const { child, said, ended } = begin(process.execPath, [BIN, "exec", "local", "web", "--", "sh", "-c", script]);
  await expect.poll(() => said.stdout, { timeout: 30_000 }).toBe("ready\n");
  child.stdin.write("a word\n");
  await expect.poll(() => said.stdout, { timeout: 30_000 }).toBe("ready\nheard a word\n");
  child.kill("SIGTERM");
  expect([await ended, said.stdout]).toEqual([9, "ready\nheard a word\nasked\n"]);
});

it("runs on every instance at once, each line with its name", async () => {
  const { code, stdout, stderr } = await landfall(
    "exec",
    "local",
    "web",
    "--all",
    "--",
    "sh",
    "-c",
    'echo "$LANDFALL_INSTANCE"; case $LANDFALL_INSTANCE in web.2.*) exit 4;; esac',
  );
  const lines = stdout.trim().split("\n").map(words);
  expect(lines).toHaveLength(2);
  for (const [label, said] of lines) expect(label).toBe(said);
  expect([code, stderr]).toEqual([4, expect.stringMatching(/^web\.2\.\w+ {2}exit status 4\n$/)]);
  const reports = JSON.parse((await landfall("exec", "local", "web", "--all", "--json", "--", "sh", "-c", "echo out; printf '\\377'  >&2")).stdout);
  expect(reports.map((report: object) => ({ ...report, instance: "", release: "" }))).toEqual(
    [1, 2].map(() => ({ instance: "", release: "", code: 0, stdout: "out\n", stderr: "/w==", stderrEncoding: "base64" })),
  );
  expect(await landfall("exec", "local", "report", "--all", "--", "true")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("INSTANCE_UNREACHABLE"),
  });
  expect((await landfall("exec", "local", "report", "--", "sh", "-c", "echo $LANDFALL_SERVICE")).stdout).toBe("report\n");
});

it("is an event that tells who and what, without arguments, and leaves nothing else behind", async () => {
  await landfall("exec", "local", "web", "--", "sh", "-c", "echo s3ntinel-word; echo s3ntinel-word >&2; exit 1");
  expect(spawnSync("grep", ["-rl", "s3ntinel-word", sandbox.home], { encoding: "utf8" }).stdout).toBe("");
  const events = JSON.parse((await landfall("events", "local", "--json")).stdout) as { type: string; text: string }[];
  expect(events.filter(({ type }) => type === "exec").at(-1)?.text).toMatch(/^\S.* runs "sh" as web\.1\.\w+$/);
  expect((await landfall("logs", "local")).stdout).not.toContain("exec.");
});

it("is shown by no status, and what it leaves running goes with the environment", async () => {
  const { said, child, ended } = begin(process.execPath, [
    BIN,
    "exec",
    "local",
    "web",
    "--",
    "sh",
    "-c",
    "setsid sleep 611 <&- >&- 2>&- & echo $!; cat",
  ]);
  await expect.poll(() => said.stdout, { timeout: 30_000 }).toMatch(/^\d+\n/);
  const pid = Number(said.stdout);
  expect(JSON.parse((await landfall("status", "local", "--json")).stdout).strays).toBeUndefined();
  child.stdin.end();
  expect(await ended).toBe(0);
  if (process.platform === "linux") expect(JSON.parse((await landfall("status", "local", "--json")).stdout).strays).toMatchObject([{ pid }]);
  await landfall("decommission", "local", "--yes");
  if (process.platform === "linux") expect(observeStart(pid)).toBeUndefined();
});

const hasScript = spawnSync("script", ["-qec", "true", "/dev/null"], { stdio: "ignore" }).status === 0;

requires("script of util-linux", hasScript)("on a terminal", () => {
  const quoted = (args: string[]) => [process.execPath, BIN, ...args].map((word) => `'${word}'`).join(" ");
  // Without `exec` the shell stays between, and some shells end by a Ctrl-C that their child took.
  const onTerminal = (before: string, ...args: string[]) => begin("script", ["-qec", `${before} exec ${quoted(args)}`, "/dev/null"]);

  beforeAll(async () => {
    await landfall("commission", "local");
    await landfall("deploy", "local");
  });

  it("has it with its size and its kind", async () => {
    const { said, ended } = onTerminal(
      "stty rows 33 cols 91; export TERM=vt220;",
      "exec",
      "local",
      "web",
      "--",
      "sh",
      "-c",
      "test -t 0 && test -t 2 && stty size && echo $TERM; exit 5",
    );
    expect([await ended, words(said.stdout)]).toEqual([5, ["33", "91", "vt220"]]);
  });

  it("gets Ctrl-C once, and decides itself what it means", async () => {
    const script = 'trap "echo caught" INT; echo ready; read line || read line; echo $line; exit 6';
    const { child, said, ended } = onTerminal("stty -echo;", "exec", "local", "web", "--", "sh", "-c", script);
    await expect.poll(() => said.stdout, { timeout: 30_000 }).toContain("ready");
    child.stdin.write("\u0003");
    await expect.poll(() => said.stdout, { timeout: 30_000 }).toContain("caught");
    child.stdin.write("go on\n");
    expect([await ended, words(said.stdout)]).toEqual([6, ["ready", "caught", "go", "on"]]);
  });

  it("is a shell that is asked for", async () => {
    const { child, said, ended } = onTerminal("stty -echo;", "shell", "local", "web");
    await expect.poll(() => said.stdout, { timeout: 30_000 }).not.toBe("");
    child.stdin.write('echo "is: $LANDFALL_SERVICE $(ls server.js)"; exit 3\n');
    expect([await ended, said.stdout]).toEqual([3, expect.stringContaining("is: web server.js")]);
  });
});
