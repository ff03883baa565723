// The end of an environment against the emulator, through the library's front door and through the command line.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { validateText } from "../../src/config/check.ts";
import { deploymentOf } from "../../src/config/deployment.ts";
import type { AppInput } from "../../src/config/schema.ts";
import { LandfallError } from "../../src/error.ts";
import { openAws } from "../../src/targets/aws/target.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { observeInventory } from "./inventory.ts";
import { LEFTOVERS, type Owner } from "./leftovers.ts";
import type { Call, FaultProxy } from "./proxy.ts";
import type { Stage } from "./stage.ts";
import { onEmulator } from "./suite.ts";

const LANDFALL = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));

const DATA: AppInput = {
  ...SMALL,
  resources: {
    database: { type: "postgres", deletionProtection: false },
    reports: { type: "mysql", deletionProtection: false, finalSnapshot: false },
    uploads: { type: "bucket" },
  },
};
const PROTECTED: AppInput = { ...SMALL, resources: { database: { type: "postgres" } } };
const TWO: AppInput = {
  ...SMALL,
  environments: { production: { target: "aws", network: { nat: "none" } }, staging: { target: "aws", network: { nat: "none" } } },
};

/** As `stage.open`, of another environment than "production". */
function openStaging(stage: Stage, input: AppInput) {
  stage.context(input);
  const deployment = deploymentOf(validateText(`export default ${JSON.stringify(input)}`, "landfall.config.ts", input), "staging");
  return openAws({ deployment, folder: "/", emit: () => {} });
}

async function kill(stage: Stage, proxy: FaultProxy, input: AppInput, at: (call: Call) => boolean, ...options: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "landfall-killed-"));
  writeFileSync(join(folder, "landfall.config.ts"), `export default ${JSON.stringify(input)};\n`);
  const argv = [LANDFALL, "decommission", "production", "--yes", ...options];
  const child = spawn(process.execPath, argv, { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, ...stage.env }, stdio: "ignore" });
  const exit = once(child, "exit");
  proxy.rule = (call) =>
    at(call)
      ? {
          after: async () => {
            child.kill("SIGKILL");
            await exit;
          },
        }
      : undefined;
  const [, signal] = await exit;
  rmSync(folder, { recursive: true });
  proxy.clear();
  expect(signal).toBe("SIGKILL");
}

onEmulator("a decommission", (world) => {
  const inventory = () => observeInventory(world.stage.context(SMALL));
  const failure = (act: Promise<unknown>) =>
    act.then(
      () => expect.fail("it did not fail"),
      (error: unknown) => error as LandfallError,
    );
  const notes = () => world.stage.progress.flatMap((event) => (event.type === "note" ? [event.text] : []));

  async function seed(name: string, who: Pick<Owner, "slug" | "app" | "environment">): Promise<() => Promise<boolean>> {
    const { clients } = world.stage.context(SMALL);
    const owner: Owner = { ...who, database: "", group: "", host: "", zone: "", port: world.emulator.port, account: world.stage.account };
    const leftover = LEFTOVERS.find((one) => one.name === name);
    if (!leftover) throw new Error(`nothing is left that is called ${name}`);
    const id = await leftover.seed(clients, owner);
    return () => leftover.stands(clients, id, owner);
  }

  it("says whose account it is and what goes, removes it, looks again, and does nothing the next time", async () => {
    const { stage } = world;
    const empty = await inventory();
    await stage.commission(SMALL);
    stage.progress.length = 0;
    const foreseen = await stage.open(SMALL).listRemoval({});
    expect(foreseen.removed).toContainEqual(expect.stringMatching(/^stack hello-production-network with \d+ resources$/));
    const report = await stage.open(SMALL).decommission({});
    expect(notes()[0]).toMatch(new RegExp(`^account ${stage.account}, region eu-central-1, as `));
    expect(notes().slice(1, 1 + foreseen.removed.length)).toEqual(foreseen.removed.map((thing) => `goes: ${thing}`));
    expect(report).toMatchObject({ app: "hello", environment: "production", checked: { stacks: 6 } });
    expect(report.removed).toEqual(foreseen.removed);
    expect(report.kept).toEqual([
      { what: expect.stringMatching(/^KMS key .+ \(Alarms of hello, production\)$/), why: expect.stringContaining("it costs nothing") },
    ]);
    expect(await inventory()).toEqual(empty);
    expect(await stage.open(SMALL).decommission({})).toMatchObject({ removed: [], checked: { stacks: 0 } });
    expect((await failure(stage.open(SMALL).resume())).code).toBe("ENVIRONMENT_NOT_COMMISSIONED");
  });

  it("leaves what environments share to the last one", async () => {
    const { stage } = world;
    const empty = await inventory();
    await stage.open(TWO).commission();
    await openStaging(stage, TWO).commission();
    const shared = await seed("a machine image", { slug: "shared", app: "hello" });
    const s3 = await stage.context(TWO).clients.s3();
    const Bucket = (await stage.stacks(TWO)).get("hello-shared")?.outputs.ArtifactsBucket;
    const written = (name: string) => [`environments/${name}.json`, `singletons/${name}/batch.json`];
    for (const Key of ["production", "staging"].flatMap(written)) await s3.putObject({ Bucket, Key, Body: "{}" });
    const foreign = await seed("a volume", { slug: "staging", app: "hello", environment: "staging" });

    const report = await stage.open(TWO).decommission({});
    expect(report.kept).toContainEqual({ what: "stack hello-shared", why: "it is shared with staging, and goes with the last one" });
    expect([await shared(), await foreign()]).toEqual([true, true]);
    const { Contents = [] } = await s3.listObjectsV2({ Bucket });
    const left = Contents.flatMap(({ Key }) => (/^(environments|singletons)\//.test(Key ?? "") ? [Key] : []));
    expect(left).toEqual(written("staging"));
    expect((await openStaging(stage, TWO).commission()).changed).toBe(false);
    // What was decommissioned is not commissioned again by looking for something to resume.
    expect((await failure(stage.open(TWO).resume())).code).toBe("ENVIRONMENT_NOT_COMMISSIONED");

    await openStaging(stage, TWO).decommission({});
    expect([await shared(), await foreign()]).toEqual([false, false]);
    expect(await inventory()).toEqual(empty);
  });

  it("refuses a protected database until it is named, and keeps a last snapshot of it", async () => {
    const { stage } = world;
    await stage.commission(PROTECTED);
    const standing = await inventory();
    const error = await failure(stage.open(PROTECTED).decommission({}));
    expect(error).toBeInstanceOf(LandfallError);
    expect(error.exitCode).toBe(3);
    expect(error.parts).toEqual({
      code: "DATA_PROTECTED",
      what: 'database "database" is protected from being deleted',
      where: expect.stringMatching(/^database hello-production-data-databasedatabase-/),
      why: 'Its key "deletionProtection" is true. A last snapshot of it would be kept.',
      standing: "Nothing was changed.",
      next: 'landfall decommission production --confirm-remove database   or set "deletionProtection" to false and commission',
    });
    expect(await inventory()).toEqual(standing);

    const report = await stage.open(PROTECTED).decommission({ confirmRemove: ["database"] });
    expect(report.removed).toContainEqual(expect.stringMatching(/^database hello-production-data-databasedatabase-/));
    const snapshot = report.kept.find(({ what }) => what.startsWith("DB snapshot"));
    expect(snapshot?.why).toMatch(/^it holds data, and its storage is paid by the GiB and month; it goes with --confirm-remove /);
    const name = /--confirm-remove (\S+)$/.exec(snapshot?.why ?? "")?.[1] ?? "";
    expect((await stage.open(PROTECTED).decommission({ confirmRemove: [name] })).removed).toEqual([expect.stringContaining(name)]);
  });

  it("keeps the data when it is asked to, and lets it go when it is not any more", async () => {
    const { stage } = world;
    await stage.commission(DATA);
    const { clients } = stage.context(DATA);
    // What is in a stack is not listed beside it.
    expect((await stage.open(DATA).listRemoval({})).removed.filter((line) => !/^(stack|database|bucket) /.test(line))).toEqual([]);
    const parameter = "/landfall/hello/production/secrets/KEY";
    await (await clients.ssm()).putParameter({ Name: parameter, Value: "x", Type: "SecureString" });
    const kept = await stage.open(DATA).decommission({ keepData: true });
    const kinds = kept.kept.map(({ what }) => /^(KMS key|DB snapshot|bucket|parameter) /.exec(what)?.[1]);
    expect(kinds.sort()).toEqual(["DB snapshot", "DB snapshot", "KMS key", "bucket", "parameter"]);
    expect(await inventory()).toMatchObject({ stacks: 0, buckets: 1, databases: 0 });

    const gone = await stage.open(DATA).decommission({});
    expect(gone.removed).toEqual([expect.stringMatching(/^bucket hello-production-/), `parameter ${parameter}`]);
    expect(gone.kept.filter(({ what }) => what.startsWith("DB snapshot"))).toHaveLength(2);
    expect(await inventory()).toMatchObject({ buckets: 0 });
  });

  it("that is killed halfway is finished by resume, as it was told to", async () => {
    const { stage, proxy } = world;
    await stage.commission(DATA);
    let deleted = 0;
    await kill(stage, proxy, DATA, ({ action }) => action === "DeleteStack" && ++deleted === 4, "--keep-data");
    expect(await stage.open(DATA).status()).toMatchObject({ unfinished: { operation: "decommission" } });
    expect((await failure(stage.open(DATA).abort())).code).toBe("ABORT_IMPOSSIBLE");
    expect(await stage.open(DATA).resume()).toMatchObject({ did: "finished", operation: "decommission", status: { commissioned: false } });
    expect(await inventory()).toMatchObject({ stacks: 0, buckets: 1, databases: 0 });
  });

  it("that is killed when its lease is gone already is finished by resume", async () => {
    const { stage, proxy } = world;
    const empty = await inventory();
    await stage.commission(SMALL);
    await kill(stage, proxy, SMALL, ({ action }) => action === "DeleteObjects");
    expect(await inventory()).toMatchObject({ stacks: 1 });
    expect(await stage.open(SMALL).resume()).toMatchObject({ did: "finished", operation: "decommission" });
    expect(await inventory()).toEqual(empty);
  });

  it("ends machines of one-off tasks before the network that they are in", async () => {
    const { stage, proxy } = world;
    await stage.commission(SMALL);
    await seed("a machine of a one-off task", { slug: "own", app: "hello", environment: "production" });
    proxy.clear();
    await stage.open(SMALL).decommission({});
    const actions = proxy.calls.map(({ action }) => action);
    expect(actions).toContain("TerminateInstances");
    expect(actions.indexOf("TerminateInstances")).toBeLessThan(actions.indexOf("DeleteStack"));
  });

  it("names what carries its tags and is of no kind that Landfall makes", async () => {
    const { stage } = world;
    const { clients } = stage.context(SMALL);
    const arn = "arn:aws:rds:eu-central-1:000000000000:cluster:theirs";
    const Tags = [
      { Key: "landfall:app", Value: "hello" },
      { Key: "landfall:environment", Value: "production" },
    ];
    await (await clients.rds()).createDBCluster({
      DBClusterIdentifier: "theirs",
      Engine: "aurora-postgresql",
      Tags,
      MasterUsername: "app",
      MasterUserPassword: "emulated-password",
    });
    const { kept } = await stage.open(SMALL).decommission({});
    expect(kept).toEqual([{ what: arn.replace("000000000000", stage.account), why: expect.stringContaining("no kind that Landfall makes") }]);
  });
});
