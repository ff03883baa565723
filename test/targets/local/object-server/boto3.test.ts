// Buckets and queues as apps in Python use them: boto3 with what the variables say.
import { spawnSync } from "node:child_process";
import { afterAll, expect, it } from "vitest";
import { PACKAGES } from "../../../end-to-end/workers.ts";
import { ensurePython, hasPython } from "../../../python.ts";
import { requires } from "../../../skips.ts";
import { makeEnvironment } from "../resources/environment.ts";

requires("python3 with venv", hasPython())("boto3", () => {
  const environment = makeEnvironment();
  afterAll(() => environment.remove());

  it("gets the answers that AWS gives", async () => {
    const { resources } = await environment.bringUp({ files: { type: "bucket" } });
    const [files] = resources;
    if (!files) throw new Error("it was asked for");
    const names = Object.keys({ ...files.variables.env, ...files.variables.secretEnv });
    const variables = Object.fromEntries(names.map((name) => [name, environment.variable(files, name)]));
    const { stdout, stderr } = spawnSync(ensurePython(PACKAGES), ["test/fixtures/boto3-calls.py"], {
      env: { PATH: process.env.PATH, ...variables },
      encoding: "utf8",
    });
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^\d{2,3} checked\n$/), ""]);
  });
});
