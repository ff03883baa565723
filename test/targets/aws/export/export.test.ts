// Leaving Landfall: the files are complete, the scripts are shell, and what they do is what commission does, in its order.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LandfallError } from "../../../../src/error.ts";
import { exportFiles, exportTo } from "../../../../src/targets/aws/export/export.ts";
import { connect, inOrder } from "../../../../src/targets/aws/export/standing.ts";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { FULL, production, runningIn, SMALL } from "../templates/apps.ts";

const shop = production(FULL);
const stacks = makeStacks(shop, runningIn(shop));
let folder: string;
let out: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "landfall-export-"));
  out = join(folder, "out");
  exportTo(shop, stacks, out);
  // In place of the `aws` command: writes down how it was called, and knows every output but those that are said to be absent.
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(
    join(bin, "aws"),
    `#!/usr/bin/env bash
printf '%s\\n' "$(printf '%s\\t' "$@")" >> "$CALLS"
case "$*" in
  "sts get-caller-identity"*) echo "\${ACCOUNT:-123456789012}" ;;
  *describe-stacks*"\${ABSENT:-nothing}"*) echo None ;;
  *describe-stacks*"\${NEW:-nothing}"*) echo "Stack with id $NEW does not exist" >&2; exit 254 ;;
  *describe-stacks*"\${BROKEN:-nothing}"*) echo "Rate exceeded" >&2; exit 254 ;;
  *describe-availability-zones*) echo "a,b,c" ;;
  *describe-stacks*) all=$*; name=\${all#*OutputKey==\\'}; echo "value of $4 \${name%%\\'*}" ;;
esac
`,
  );
  chmodSync(join(bin, "aws"), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(script: string, env: Record<string, string> = {}, input = ""): { status: number | null; stderr: string; calls: string[][] } {
  const calls = join(folder, "calls");
  writeFileSync(calls, "");
  const { status, stderr } = spawnSync("bash", [join(out, script)], {
    encoding: "utf8",
    input,
    env: { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}`, CALLS: calls, ...env },
  });
  const lines = readFileSync(calls, "utf8").split("\n").filter(Boolean);
  return { status, stderr, calls: lines.map((line) => line.split("\t").filter(Boolean)) };
}

describe("the folder", () => {
  test("has the templates byte for byte, and all that belongs to them", () => {
    expect(readdirSync(out).sort()).toEqual(["README.md", "deploy.sh", "parameters.json", "remove.sh", "templates"]);
    expect(readdirSync(join(out, "templates")).sort()).toEqual(stacks.map(({ name }) => `${name}.json`).sort());
    for (const { name, body } of stacks) expect(readFileSync(join(out, "templates", `${name}.json`), "utf8")).toBe(body);
    expect(statSync(join(out, "deploy.sh")).mode & 0o111).toBe(0o111);
  });

  test("says where each parameter comes from", () => {
    const parameters = JSON.parse(readFileSync(join(out, "parameters.json"), "utf8"));
    expect(parameters["shop-production-edge"].VpcParameter).toEqual({ stack: "shop-production-network", output: "Vpc" });
    for (const { name, body } of stacks) expect(Object.keys(parameters[name])).toEqual(Object.keys(JSON.parse(body).Parameters ?? {}));
  });

  test("is never mixed with an older one", () => {
    let refusal: LandfallError | undefined;
    try {
      exportTo(shop, stacks, out);
    } catch (error) {
      refusal = error as LandfallError;
    }
    expect(refusal?.code).toBe("EXPORT_EXISTS");
    expect(refusal?.parts.what).toBe(`the folder "${out}" is not empty`);
  });
});

test("a service may have the name of something that another stack gives", () => {
  const deployment = production({ ...SMALL, services: { balancer: { command: "node server.js", port: 3000 } } });
  const made = makeStacks(deployment, runningIn(deployment));
  const again = inOrder(connect(made, "hello-production-"));
  expect(new Map(again.map((stack) => [stack.name, stack]))).toEqual(new Map(made.map((stack) => [stack.name, stack])));
});

test("what is read back from an account is connected and ordered as it was made", () => {
  const found = [...stacks].reverse().map(({ name, body, tags }) => ({ name, body, tags }));
  const again = inOrder(connect(found, "shop-production-"));
  expect(new Map(again.map((stack) => [stack.name, stack]))).toEqual(new Map(stacks.map((stack) => [stack.name, stack])));
  for (const [index, { dependsOn }] of again.entries())
    for (const needed of dependsOn) expect(again.slice(0, index).map(({ name }) => name)).toContain(needed);
});

describe("the scripts", () => {
  test.each(["deploy.sh", "remove.sh"])("%s is shell", (script) => {
    expect(spawnSync("bash", ["-n", join(out, script)], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  });

  test("make every stack, in order, with parameters read from those before it, and tags", () => {
    const { status, calls } = run("deploy.sh");
    expect(status).toBe(0);
    const deployed = calls.filter(([, verb]) => verb === "deploy");
    expect(deployed.map((call) => call[call.indexOf("--stack-name") + 1])).toEqual(stacks.map(({ name }) => name));
    for (const [index, { parameters, tags }] of stacks.entries()) {
      for (const { name, from } of parameters) expect(deployed[index]).toContain(`${name}=value of ${from.stack} ${from.output}`);
      for (const [key, value] of Object.entries(tags)) expect(deployed[index]).toContain(`${key}=${value}`);
    }
    const made = new Set<string>();
    for (const call of calls) {
      const stack = call[call.indexOf("--stack-name") + 1] as string;
      const isOwn = call.some((word) => word.includes("'Zones'"));
      if (call[1] === "describe-stacks" && !isOwn) expect(made).toContain(stack);
      if (call[1] === "deploy") made.add(stack);
    }
  });

  test("give a network that is not there the first zones, and none to one of which nothing is known", () => {
    const network = (calls: string[][]) => calls.find((call) => call[1] === "deploy" && call[3] === "shop-production-network");
    expect(network(run("deploy.sh", { NEW: "'Zones'" }).calls)).toContain("ZonesParameter=a,b,c");
    const { status, stderr, calls } = run("deploy.sh", { BROKEN: "'Zones'" });
    expect([status === 0, stderr.includes("Rate exceeded"), network(calls)]).toEqual([false, true, undefined]);
  });

  test("stop when an output is not there, instead of passing on nothing", () => {
    const { status, stderr, calls } = run("deploy.sh", { ABSENT: "IsolatedSubnets" });
    expect(status).not.toBe(0);
    expect(stderr).toContain("stack shop-production-network has no output IsolatedSubnets");
    expect(calls.filter(([, verb]) => verb === "deploy").map((call) => call[3])).toEqual([
      "shop-shared",
      "shop-production-network",
      "shop-production-alarms",
    ]);
  });

  test("change nothing in another account", () => {
    const { status, stderr, calls } = run("deploy.sh", { ACCOUNT: "999999999999" });
    expect([status, calls.length]).toEqual([1, 1]);
    expect(stderr).toContain("these credentials are of account 999999999999");
  });

  test("remove in the opposite order, all but the shared stack, after a question", () => {
    expect(run("remove.sh", {}, "no\n")).toMatchObject({ status: 3, stderr: expect.stringContaining("nothing was deleted") });
    const { status, calls } = run("remove.sh", {}, "production\n");
    expect(status).toBe(0);
    const removed = calls.filter(([, verb]) => verb === "delete-stack").map((call) => call[call.indexOf("--stack-name") + 1]);
    expect(removed).toEqual(
      stacks
        .filter(({ role }) => role !== "shared")
        .map(({ name }) => name)
        .reverse(),
    );
  });
});

describe("the runbook", () => {
  const text = exportFiles(shop, stacks).get("README.md") as string;

  test("names every file, and says how to update, scale, roll back, restore and remove", () => {
    for (const { name } of stacks) expect(text).toContain(`templates/${name}.json`);
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
      "Update it",
      "Scale",
      "Release",
      "Roll back",
      "Secrets",
      "Restore a database",
      "Look",
      "Remove it",
    ]);
  });

  test("has commands that are shell, with logical names that the templates have", () => {
    for (const [, block] of text.matchAll(/```sh\n([\s\S]*?)```/g))
      expect(spawnSync("bash", ["-n"], { input: block, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
    const named = [...text.matchAll(/--stack-name (\S+) --logical-resource-id (\S+)/g)];
    expect(named.length).toBeGreaterThan(5);
    for (const [, stack, id] of named) {
      const found = stacks.find(({ name }) => name === stack);
      expect(Object.keys(JSON.parse(found?.body ?? "{}").Resources ?? {}), `${stack} ${id}`).toContain(id);
    }
  });

  test("says what is kept, and never a secret", () => {
    expect(text).toContain("a final snapshot of `DatabaseDatabase`");
    expect(text).toContain("`UploadsBucket` of `shop-production-data`");
    expect(text).toContain("/landfall/shop/production/secrets/SESSION_KEY");
    expect(text).not.toMatch(/\{\{resolve|password=/);
  });
});
