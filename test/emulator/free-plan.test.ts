// An account on AWS's Free plan: what Landfall starts itself can be started there, and what the app asks for besides is refused with its way out.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { type Machines, playMachines } from "./machines.ts";
import { onEmulator } from "./suite.ts";

type Service = AppInput["services"][string];
type Resource = NonNullable<AppInput["resources"]>[string];

const APP: AppInput = { ...SMALL, recipe: { packages: ["nodejs"] }, environments: { production: { target: "aws", network: { nat: "instance" } } } };

onEmulator("an account on the Free plan", (world) => {
  let folder: string;
  let machines: Machines;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "landfall-free-"));
    writeFileSync(join(folder, "server.js"), "one\n");
    world.emulator.setFreePlan(world.stage.account);
    machines = playMachines(world.stage.account, world.emulator.port);
  });
  afterEach(async () => {
    world.emulator.setFreePlan();
    await machines.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const withWeb = (web: Partial<Service>): AppInput => ({ ...APP, services: { web: { ...(SMALL.services.web as Service), ...web } } });
  const withDatabase = (more: Partial<Resource>): AppInput => ({ ...APP, resources: { database: { type: "postgres", ...more } as Resource } });

  it.each(["arm64", "amd64"] as const)("has machines for the way out and for images of %s", async (architecture) => {
    const input = withWeb({ machine: { types: [architecture === "arm64" ? "t4g.small" : "t3.small"] } });
    await world.stage.commission(input);
    expect(JSON.stringify(await world.stage.open(input, folder).preflight())).not.toContain("Free Tier");
    expect(await world.stage.open(input, folder).deploy({ dirty: true })).toMatchObject({ changed: true, imageMade: true });
    expect(machines.tasks.map(({ kind }) => kind)).toEqual(["bake"]);
  });

  it.each([
    ["backups of a week", {}, 'backups: "1d"'],
    ["a larger database", { backups: "1d", machine: "db.t4g.small" }, 'machine: "db.t4g.micro"'],
  ] as const)("is told the way out of %s", async (_, database, way) => {
    await expect(world.stage.commission(withDatabase(database))).rejects.toMatchObject({
      code: "STACK_FAILED",
      parts: { why: expect.stringMatching(/^CloudFormation says: .*\n.*Free plan/) },
    });
    await expect(world.stage.commission(withDatabase(database))).rejects.toMatchObject({ parts: { why: expect.stringContaining(way) } });
    expect((await world.stage.commission(withDatabase({ backups: "1d" }))).changed).toBe(true);
  });

  it("is told the way out of a larger machine", async () => {
    const input = withWeb({ machine: { types: ["t4g.medium"] } });
    await world.stage.commission(input);
    await expect(world.stage.open(input, folder).deploy({ dirty: true })).rejects.toMatchObject({
      code: "STACK_FAILED",
      parts: { why: expect.stringContaining('machine: { types: ["t4g.small"] }') },
    });
  });
});
