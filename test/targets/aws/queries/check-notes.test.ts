// What `landfall check` says of an environment on AWS.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { awsNotes } from "../../../../src/targets/aws/queries/check-notes.ts";
import { builtMain } from "../../../build.ts";
import { FULL, production, SMALL } from "../templates/apps.ts";

test("an environment without notify and without a domain", () => {
  expect(awsNotes(production(SMALL))).toEqual([
    'the alarms of environment "production" notify nobody: "notify" is empty',
    'environment "production" answers to plain HTTP: a certificate needs the key "domain"',
  ]);
});

test("routes that a load balancer of AWS cannot do", () => {
  expect(awsNotes(production(FULL))).toEqual([
    'route 2 redirects with 308: in environment "production" a proxy on each instance does it, because a load balancer of AWS cannot',
    'route 3 denies it in other spellings: in environment "production" a proxy on each instance does it, because a load balancer of AWS cannot',
    'route 4 asks for a password: in environment "production" a proxy on each instance does it, because a load balancer of AWS cannot',
    'route 6 sets headers: in environment "production" a proxy on each instance does it, because a load balancer of AWS cannot',
  ]);
});

test("a worker alone needs no domain", () => {
  const app = {
    name: "a",
    services: { worker: { command: "x" } },
    environments: { production: { target: "aws", notify: ["mailto:a@example.com"] } },
  };
  expect(awsNotes(production(app))).toEqual([]);
});

test("output that is opened by its name, which machines refuse and containers do not", () => {
  const log = "exec gunicorn --access-logfile /dev/stdout app";
  const app = {
    name: "a",
    services: { worker: { command: log }, other: { command: log, container: {} } },
    environments: { production: { target: "aws", notify: ["mailto:a@example.com"] } },
  };
  expect(awsNotes(production(app))).toEqual([
    'the command of "worker" names /dev/stdout or /dev/stderr, which cannot be opened on a machine of AWS: write to the stream itself, or end the command with  2>&1 | cat',
  ]);
});

test("check reads no construct of the CDK, which would take longer than all else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "landfall-notes-"));
  try {
    writeFileSync(join(folder, "landfall.config.ts"), `export default ${JSON.stringify(FULL)};\n`);
    const program = `
      const { check } = await import(${JSON.stringify(pathToFileURL(builtMain("app.js")).href)});
      const { createRequire } = await import("node:module");
      const { notes } = await check({ folder: process.argv[1] });
      const loaded = Object.keys(createRequire("/").cache).filter((file) => /aws-cdk-lib|@aws-sdk/.test(file));
      process.stdout.write(JSON.stringify({ notes: notes.length, loaded }));`;
    const env = { ...process.env, LANDFALL_HOME: join(folder, "home") };
    const text = execFileSync(process.execPath, ["--input-type=module", "-e", program, folder], { encoding: "utf8", env });
    expect(JSON.parse(text)).toEqual({ notes: expect.any(Number), loaded: [] });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
