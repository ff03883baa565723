// The templates of two examples, as they are committed; and that nothing but the configuration decides them.
// After a change that is meant: npx vitest run test/targets/aws/templates/golden.test.ts -u
import { execFileSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { builtMain } from "../../../build.ts";
import { CONTAINERS, EXISTING, FULL, production, runningIn, SMALL } from "./apps.ts";

const examples = [
  ["small", production(SMALL)],
  ["full", production(FULL)],
  ["containers", production(CONTAINERS)],
  ["existing", production(EXISTING)],
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
      const { makeStacks } = await import(${JSON.stringify(pathToFileURL(builtMain("targets/aws/templates/index.js")).href)});
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
      },
    });
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(stacks)));
  });
});

test("an app's shared stack is the same for each of its environments", () => {
  const [one, other] = ["production", "staging"].map((environment) => makeStacks({ ...production(SMALL), environment })[0]);
  expect(one).toEqual(other);
});
