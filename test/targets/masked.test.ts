// Whatever a target emits or reports, no password of a URL leaves it, unless the app itself said it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { validateText } from "../../src/config/check.ts";
import { deploymentOf } from "../../src/config/deployment.ts";
import type { Progress } from "../../src/progress.ts";
import { openAws } from "../../src/targets/aws/target.ts";
import { openLocal } from "../../src/targets/local/target.ts";
import { openMasked } from "../../src/targets/masked.ts";
import type { EnvironmentTarget, OpenTarget, TargetInput } from "../../src/targets/target.ts";

const home = mkdtempSync(join(tmpdir(), "landfall-masked-"));
process.env.LANDFALL_HOME = home;
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** With an `@` and a slash that nobody encoded. */
const PASSWORD = "p@ss/w0rd@2";
const SAID = `the engine says: postgres://app:${PASSWORD}@db.example.com:5432/app is unreachable`;
const OF_APP = ["logs", "secrets"];

const app = validateText("", "landfall.config.ts", {
  name: "shop",
  services: { web: { command: "x", port: 1 } },
  environments: { local: { target: "local" }, production: { target: "aws", region: "eu-central-1" } },
});

/** The target with every method answering and emitting what another program says. */
const talkative =
  (open: OpenTarget, seen: { emit?: TargetInput["emit"] }): OpenTarget =>
  (input) => {
    seen.emit = input.emit;
    const names = Object.keys(open(input)) as (keyof EnvironmentTarget)[];
    return Object.fromEntries(names.map((name) => [name, async () => ({ rows: [{ text: SAID }], count: 1 })])) as unknown as EnvironmentTarget;
  };

test.each([
  ["local", openLocal],
  ["production", openAws],
])("what leaves %s", async (environment, open) => {
  const emitted: Progress[] = [];
  const seen: { emit?: TargetInput["emit"] } = {};
  const input = { deployment: deploymentOf(app, environment), folder: home, emit: (progress: Progress) => void emitted.push(progress) };
  const target = openMasked(talkative(open, seen), input);
  for (const [name, act] of Object.entries(target) as [string, () => Promise<unknown>][]) {
    if (OF_APP.includes(name)) continue;
    expect(JSON.stringify(await act()), name).toBe(JSON.stringify({ rows: [{ text: SAID.replace(PASSWORD, "***") }], count: 1 }));
  }
  for (const type of ["note", "started", "finished", "failed", "unchanged"] as const)
    seen.emit?.({ type, step: "x", durationMs: 0, text: SAID } as Progress);
  seen.emit?.({ type: "output", step: "build", line: SAID });
  expect(emitted).toHaveLength(6);
  expect(JSON.stringify(emitted)).not.toMatch(/p@ss|w0rd/);
});
