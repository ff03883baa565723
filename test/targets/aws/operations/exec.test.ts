// Commands by hand on AWS, with stand-ins for what is not here: AWS's plugin, which runs what the session was begun with, and on the machine sudo,
// setpriv and AWS's command line, whose bucket is a folder.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { execInTask, passBetween } from "../../../../src/targets/aws/operations/exec-in-task.ts";
import { execOnMachine, execOnTerminal } from "../../../../src/targets/aws/operations/exec-on-machine.ts";

type Context = Parameters<typeof execInTask>[0];

const PLUGIN = `#!${process.execPath}
const [, , name, region, operation, , request] = process.argv;
if (name === "--version") process.exit(0);
const { SessionId, StreamUrl } = JSON.parse(process.env[name]);
// As the plugin is: it asserts that there is a target, and ends with an error when its input does.
require("node:fs").writeFileSync(process.env.SEEN, JSON.parse(request).Target + " " + region + " " + operation);
process.stdin.on("end", () => process.exit(1)).resume();
console.log("\\nStarting session with SessionId: " + SessionId);
require("node:child_process").spawnSync("sh", ["-c", StreamUrl], { stdio: ["ignore", 1, 1] });
console.log("\\n\\nExiting session with sessionId: " + SessionId + ".\\n");
process.exit(0);
`;
const AWS = `#!/bin/sh
shift 3
place() { case $1 in s3://*) echo "$BUCKET/\${1#s3://b/}" ;; *) echo "$1" ;; esac; }
mkdir -p "$(dirname "$(place "$2")")" && cp "$(place "$1")" "$(place "$2")"
`;

let folder: string;
let streams: { stdout: PassThrough; stderr: PassThrough };
const outside = { ...process.env };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "landfall-exec-"));
  streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const programs = { "session-manager-plugin": PLUGIN, aws: AWS, sudo: '#!/bin/sh\nexec "$@"\n', setpriv: '#!/bin/sh\nshift 5\nexec "$@"\n' };
  for (const [name, text] of Object.entries(programs)) writeFileSync(join(folder, name), text);
  for (const name of Object.keys(programs)) chmodSync(join(folder, name), 0o755);
  Object.assign(process.env, { PATH: `${folder}:${outside.PATH}`, BUCKET: join(folder, "bucket"), SEEN: join(folder, "seen") });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  process.env.PATH = outside.PATH;
});

const objectsLeft = () => readdirSync(join(folder, "bucket"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const said = (stream: PassThrough) => String(stream.read() ?? "");

describe("on a machine", () => {
  const inBucket = (key: string) => join(folder, "bucket", key);
  const s3 = {
    putObject: async ({ Key, Body }: { Key: string; Body: string | Buffer }) => {
      mkdirSync(dirname(inBucket(Key)), { recursive: true });
      writeFileSync(inBucket(Key), Body);
    },
    getObject: async ({ Key }: { Key: string }) => {
      if (!existsSync(inBucket(Key))) throw Object.assign(new Error(), { name: "NoSuchKey" });
      return { Body: { transformToByteArray: async () => readFileSync(inBucket(Key)) } };
    },
    deleteObject: async ({ Key }: { Key: string }) => rmSync(inBucket(Key), { force: true }),
  };
  const calls: unknown[] = [];
  const ssm = {
    sendCommand: async (sent: { Parameters: { commands: string[] } }) => {
      calls.push(sent);
      return { Command: { CommandId: "c" } };
    },
    getCommandInvocation: async () => {
      const { spawnSync } = await import("node:child_process");
      const { commands } = (calls.at(-1) as { Parameters: { commands: string[] } }).Parameters;
      const { status, stderr } = spawnSync("sh", ["-c", String(commands[0])], { encoding: "utf8" });
      return { Status: status === 0 ? "Success" : "Failed", ResponseCode: status ?? -1, StandardErrorContent: stderr };
    },
    startSession: async (sent: { Parameters: { command: string[] } }) => {
      calls.push(sent);
      return { SessionId: "s", StreamUrl: sent.Parameters.command[0], TokenValue: "t" };
    },
  };
  const context = {
    deployment: { app: "shop", environment: "production" },
    clients: { s3: async () => s3, ssm: async () => ssm },
    clock: { sleep: async () => {} },
    emit: () => {},
  } as unknown as Context;
  const command = { service: "web", instance: "i-01", region: "eu-central-1", bucket: "b" };

  it("streams go both ways byte for byte, and AWS is told nothing of it", async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 239, 191, 189, 195]);
    const argv = ["sh", "-c", "cat; echo err >&2; exit $0", "7"];
    expect(await execOnMachine(context, { ...command, argv }, { ...streams, stdin: Readable.from([bytes]) })).toEqual({ code: 7 });
    expect(streams.stdout.read()).toEqual(bytes);
    expect(said(streams.stderr)).toBe("err\n");
    expect(objectsLeft()).toEqual([]);
    expect(JSON.stringify(calls.at(-1))).not.toContain("cat;");
  });

  it("what kept it from being run is told", async () => {
    rmSync(join(folder, "setpriv"));
    writeFileSync(join(folder, "aws"), "#!/bin/sh\necho no right to read that >&2\nexit 1\n");
    await expect(execOnMachine(context, { ...command, argv: ["true"] }, streams)).rejects.toMatchObject({
      code: "INSTANCE_UNREACHABLE",
      parts: { why: "no right to read that" },
    });
  });

  it("a terminal is a session's, whose status comes by the bucket", async () => {
    const argv = ["sh", "-c", 'echo "on $TERM"; exit 5'];
    expect(await execOnTerminal(context, { ...command, argv }, { ...streams, stdin: new PassThrough(), terminal: "vt220" })).toEqual({ code: 5 });
    expect(said(streams.stdout)).toContain("on vt220");
    expect(readFileSync(join(folder, "seen"), "utf8")).toBe("i-01 eu-central-1 StartSession");
    expect(JSON.stringify(calls.at(-1))).not.toContain("exit 5");
    expect(objectsLeft()).toEqual([]);
  });
});

describe("in a container", () => {
  const task = { taskArn: "arn:aws:ecs:eu-central-1:1:task/shop/t1", containers: [{ name: "app", runtimeId: "t1-99" }] };
  const ecs = {
    executeCommand: async ({ command }: { command: string }) => ({ session: { sessionId: "s", streamUrl: command, tokenValue: "t" } }),
    paginateListTasks: async function* () {
      yield { taskArns: [task.taskArn] };
    },
    describeTasks: async () => ({ tasks: [task] }),
  };
  const context = { clients: { ecs: async () => ecs }, emit: () => {} } as unknown as Context;
  const command = { cluster: "arn:aws:ecs:eu-central-1:1:cluster/shop", instance: "t1", region: "eu-central-1" };

  it("what is printed comes without the plugin's own words, and with the status", async () => {
    const argv = ["sh", "-c", "printf 'one\\ntwo'; exit 3"];
    expect(await execInTask(context, { ...command, argv }, streams)).toEqual({ code: 3 });
    expect(said(streams.stdout)).toBe("one\ntwo");
    expect(readFileSync(join(folder, "seen"), "utf8")).toBe("ecs:shop_t1_t1-99 eu-central-1 StartSession");
  });

  it("what is on stdin is refused, since its end could not be told", async () => {
    await expect(execInTask(context, { ...command, argv: ["cat"] }, { ...streams, stdin: Readable.from(["a"]) })).rejects.toMatchObject({
      code: "USAGE",
    });
  });

  it.each([1, 2, 7, 1000])("marks are found in pieces of %i bytes", async (size) => {
    const passed = passBetween({ begin: "BEGIN", end: "END:" }, streams.stdout);
    const all = Buffer.concat([Buffer.from("header BEGIN"), Buffer.from([0, 255, 10]), Buffer.from("E EN END END:42.\r\ntrailer 7.")]);
    for (let from = 0; from < all.length; from += size) await new Promise((resolve) => passed.write(all.subarray(from, from + size), resolve));
    expect([streams.stdout.read(), passed.code]).toEqual([Buffer.concat([Buffer.from([0, 255, 10]), Buffer.from("E EN END ")]), 42]);
  });
});
