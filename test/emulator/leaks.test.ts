// The leak catalogue: everything that is left by hand of an environment is found, and nothing that is not its own is touched. Beside each
// stand the same of another app, of another environment of this app, and of nobody.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import type { DecommissionReport } from "../../src/reports.ts";
import type { Clients } from "../../src/targets/aws/account/clients.ts";
import { applyStacks } from "../../src/targets/aws/cloudformation/apply.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { hasPython } from "../python.ts";
import { requires } from "../skips.ts";
import { production, runningIn, SMALL } from "../targets/aws/templates/apps.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { hasRecord, LEFTOVERS, leadTo, type Owner } from "./leftovers.ts";
import { makeStage, type Stage } from "./stage.ts";

/** Its stacks' names begin as those of an environment of "hello" would. */
const OTHER: AppInput = { ...SMALL, name: "hello-production" };

requires("python3 with venv", hasPython())("what is left of an environment", () => {
  let emulator: Emulator;
  let stage: Stage;
  let clients: Clients;
  let hello: AppInput;
  let zone: string;
  let report: DecommissionReport;
  let strangers: Owner[];
  const seeded: { name: string; owner: Owner; id: string }[] = [];

  beforeAll(async () => {
    emulator = await startEmulator();
    stage = makeStage(emulator.port);
    clients = stage.context(SMALL).clients;
    const { HostedZone } = await (await clients.route53()).createHostedZone({ Name: "example.org", CallerReference: "example" });
    zone = (HostedZone?.Id ?? "").replace("/hostedzone/", "");
    hello = {
      ...SMALL,
      resources: { database: { type: "postgres", deletionProtection: false } },
      environments: { production: { target: "aws", network: { nat: "none" }, domain: { name: "www.example.org", zone } } },
    };
    await applyStacks(stage.context(hello), makeStacks(production(hello), runningIn(production(hello))));
    await stage.commission(OTHER);
    strangers = await Promise.all([
      makeOwner({ slug: "other", app: "hello-production", environment: "data" }, "hello-production-data-data-databasedatabase-1a2b"),
      makeOwner({ slug: "staging", app: "hello", environment: "staging" }, "hello-staging-data-databasedatabase-1a2b"),
      makeOwner({ slug: "nobody" }, "hello-production-2-data"),
    ]);
    for (const owner of [await ownOwner(), ...strangers]) await seedAll(owner);
    report = await stage.open(hello).decommission({});
  });
  afterAll(async () => {
    await emulator?.stop();
  });

  const around = () => ({ zone, port: emulator.port, account: stage.account });

  async function makeOwner(who: Pick<Owner, "slug" | "app" | "environment">, database: string): Promise<Owner> {
    await makeDatabase(database);
    return { ...who, ...around(), database, group: `${who.slug}-group`, host: `${who.slug}.example.org` };
  }

  const makeDatabase = async (DBInstanceIdentifier: string) =>
    (await clients.rds()).createDBInstance({
      DBInstanceIdentifier,
      DBInstanceClass: "db.t4g.micro",
      Engine: "postgres",
      AllocatedStorage: 20,
      MasterUsername: "app",
      MasterUserPassword: "emulated-password",
    });

  /** Of the environment itself: with the database and the group that stand. */
  async function ownOwner(): Promise<Owner> {
    const { DBInstances = [] } = await (await clients.rds()).describeDBInstances({});
    const { AutoScalingGroups = [] } = await (await clients.autoScaling()).describeAutoScalingGroups({});
    const database = DBInstances.find(
      ({ DBInstanceIdentifier }) => DBInstanceIdentifier?.includes("databasedatabase-") && !DBInstanceIdentifier.endsWith("1a2b"),
    );
    return {
      slug: "own",
      app: "hello",
      environment: "production",
      ...around(),
      database: database?.DBInstanceIdentifier ?? "",
      group: AutoScalingGroups[0]?.AutoScalingGroupName ?? "",
      host: "www.example.org",
    };
  }

  async function seedAll(owner: Owner): Promise<void> {
    for (const { name, seed } of LEFTOVERS) {
      try {
        seeded.push({ name, owner, id: await seed(clients, owner) });
      } catch (error) {
        throw new Error(`${name} of ${owner.slug}`, { cause: error });
      }
    }
  }

  async function standing(slug: string): Promise<string[]> {
    const names: string[] = [];
    for (const { name, owner, id } of seeded.filter((one) => one.owner.slug === slug)) {
      try {
        if (await LEFTOVERS.find((one) => one.name === name)?.stands(clients, id, owner)) names.push(name);
      } catch (error) {
        throw new Error(`${name} of ${slug}`, { cause: error });
      }
    }
    return names;
  }

  const KEPT = LEFTOVERS.filter(({ kept }) => kept).map(({ name }) => name);
  const ALL = LEFTOVERS.map(({ name }) => name);

  it("is found, of every kind", async () => {
    expect(ALL.length).toBeGreaterThanOrEqual(40);
    expect(await standing("own")).toEqual(KEPT);
  });

  it("is named when it is kept, with why", () => {
    for (const { name, id } of seeded.filter(({ owner, name }) => owner.slug === "own" && (KEPT.includes(name) || name === "a key")))
      expect(report.kept, name).toContainEqual({ what: expect.stringContaining(` ${id}`), why: expect.stringMatching(/\S/) });
  });

  it.each(["other", "staging", "nobody"])("is told from what is %s's", async (slug) => {
    expect(await standing(slug)).toEqual(ALL);
  });

  it("leaves the second app as it was", async () => {
    expect((await stage.commission(OTHER)).changed).toBe(false);
  });

  describe("when its stacks are long gone", () => {
    let again: DecommissionReport;

    beforeAll(async () => {
      const database = "hello-production-data-databasedatabase-zz99";
      await makeDatabase(database);
      const own = { ...(await ownOwner()), slug: "later", database, group: seeded.find(({ owner }) => owner.slug === "own")?.owner.group ?? "" };
      await seedAll(own);
      await (await clients.rds()).deleteDBInstance({ DBInstanceIdentifier: database, SkipFinalSnapshot: true });
      const { LoadBalancers = [] } = await (await clients.balancing()).describeLoadBalancers({});
      const living = LoadBalancers.find(({ LoadBalancerName = "" }) => LoadBalancerName.startsWith("hello-p"))?.DNSName ?? "";
      await leadTo(clients, zone, "other.example.org", living);
      again = await stage.open(hello).decommission({ confirmRemove: ["later-copy", "later-cache-copy"] });
    });

    it("is found all the same, and what was named goes too", async () => {
      expect(await standing("later")).toEqual([]);
      expect(again.removed).toContainEqual(expect.stringMatching(/^DB snapshot later-copy \(20 GiB, of .+\)$/));
      expect(again.removed).toContain("cache backup later-cache-copy");
    });

    it.each(["other", "staging", "nobody"])("is told from what is %s's", async (slug) => {
      expect(await standing(slug)).toEqual(ALL);
      expect(await hasRecord(clients, zone, "other.example.org")).toBe(true);
    });

    it("is nothing the next time", async () => {
      expect((await stage.open(hello).decommission({})).removed).toEqual([]);
    });
  });
});
