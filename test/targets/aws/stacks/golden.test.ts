// The templates of two examples, as they are committed; and that nothing but the configuration decides them.
// After a change that is meant: npx vitest run test/targets/aws/stacks/golden.test.ts -u
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { makeCdkApp } from "../../../../src/targets/aws/stacks/cdk.ts";
import { drawStacks, makeStacks } from "../../../../src/targets/aws/stacks/index.ts";
import { builtMain } from "../../../build.ts";
import { CONTAINERS, FULL, production, runningIn, SMALL } from "./apps.ts";

const examples = [
  ["small", production(SMALL)],
  ["full", production(FULL)],
  ["containers", production(CONTAINERS)],
] as const;

describe.each(examples)("%s", (name, app) => {
  const stacks = makeStacks(app, runningIn(app));

  test("templates", async () => {
    for (const { body, ...stack } of stacks)
      await expect(`${JSON.stringify({ ...stack, template: JSON.parse(body) }, null, 1)}\n`).toMatchFileSnapshot(`golden/${name}/${stack.name}.json`);
  });

  test("are the same bytes again, and in another process", async () => {
    expect(makeStacks(app, runningIn(app))).toEqual(stacks);
    const program = `
      const { makeStacks } = await import(${JSON.stringify(pathToFileURL(await builtMain("targets/aws/stacks/index.js")).href)});
      const { app, running } = JSON.parse(process.argv[1]);
      process.stdout.write(JSON.stringify(makeStacks(app, running)));`;
    const text = execFileSync(process.execPath, ["--input-type=module", "-e", program, JSON.stringify({ app, running: runningIn(app) })], {
      encoding: "utf8",
      maxBuffer: 2 ** 24,
      env: {
        ...process.env,
        TZ: "Pacific/Auckland",
        LC_ALL: "tr_TR.UTF-8",
        AWS_REGION: "sa-east-1",
        CDK_DEFAULT_ACCOUNT: "210987654321",
        CDK_CONTEXT_JSON: '{"x":1}',
      },
    });
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(stacks)));
  });

  test("are what the CDK itself would write", () => {
    const folder = mkdtempSync(join(tmpdir(), "landfall-cdk-"));
    const cdkApp = makeCdkApp(folder);
    const drawn = drawStacks({ ...app, running: runningIn(app), cdkApp });
    try {
      const written = cdkApp.synth();
      for (const blueprint of drawn) {
        const { template } = written.getStackByName(blueprint.name);
        expect(JSON.parse(blueprint.compile().body)).toEqual(template);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test("drawing them writes nothing, not even a temporary folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "landfall-cdk-"));
  const { TMPDIR } = process.env;
  try {
    process.env.TMPDIR = folder;
    makeStacks(production(SMALL));
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    rmSync(folder, { recursive: true });
  }
});

test("an app's foundation is the same for each of its environments", () => {
  const [one, other] = ["production", "staging"].map((name) => makeStacks({ ...production(SMALL), name })[0]);
  expect(one).toEqual(other);
});
