// What would change, for people: on a running environment, key by key of its configuration.
import { describe, expect, test } from "vitest";
import type { AppInput } from "../../../../src/config/schema.ts";
import type { Change } from "../../../../src/plan/plan.ts";
import { compareTemplates } from "../../../../src/targets/aws/plan/compare.ts";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { FULL, production, runningIn, SMALL } from "../templates/apps.ts";

type Edit = (input: AppInput) => void;

const shop = production(FULL);
const standing = makeStacks(shop, runningIn(shop));

function changesOf(edit: Edit, base: AppInput = FULL): Change[] {
  const input = structuredClone(base);
  edit(input);
  const [before, after] = [production(base), production(input)];
  const names = { app: after.app, environment: "production", resources: Object.keys(after.resources) };
  const old = base === FULL ? standing : makeStacks(before, runningIn(before));
  return compareTemplates(old, makeStacks(after, runningIn(before)), names).changes;
}

// biome-ignore lint/suspicious/noExplicitAny: tests reach into an input whose parts are optional
const any = (input: AppInput) => input as any;
const brief = (changes: Change[]) => changes.map(({ action, of, kind, name }) => `${action} ${of}: ${kind} ${name}`);

describe("changes", () => {
  test("of the same configuration are none", () => {
    expect(changesOf(() => {})).toEqual([]);
  });

  test("of a new environment are additions, each with its owner", () => {
    const small = production(SMALL);
    const { changes, unchanged } = compareTemplates([], makeStacks(small), { app: "hello", environment: "production", resources: [] });
    expect(unchanged).toBe(0);
    expect(new Set(changes.map(({ action }) => action))).toEqual(new Set(["add"]));
    expect(new Set(changes.map(({ of }) => of))).toEqual(
      new Set(["shared by the app's environments", "network", "alerts", "balancer", "service web", "routes"]),
    );
  });

  test("name the property of a database, in CloudFormation's name, and what people notice", () => {
    const found = changesOf((input) => Object.assign(any(input).resources.database, { machine: "db.m7g.xlarge" }));
    expect(found.filter(({ kind }) => kind === "database")).toEqual([
      {
        of: "resource database",
        kind: "database",
        name: "DatabaseDatabase",
        action: "change",
        differences: [{ property: "DBInstanceClass", before: "db.m7g.large", after: "db.m7g.xlarge" }],
        effect: "it is away for some minutes, or for the seconds of a switch with a standby in another zone",
      },
    ]);
  });

  test("are nothing but removals for a resource that the configuration has no more, each with the fate of its data", () => {
    const found = changesOf((input) => {
      delete any(input).resources.reports;
      delete any(input).resources.uploads;
    });
    const mine = found.filter(({ of }) => of.startsWith("resource "));
    expect(new Set(mine.map(({ of, action }) => `${action} ${of}`))).toEqual(new Set(["remove resource reports", "remove resource uploads"]));
    const fates = Object.fromEntries(mine.filter(({ data }) => data).map(({ name, data }) => [name, data]));
    // A login is made anew with its database: only what a commission would refuse to lose is named.
    expect(fates).toEqual({
      ReportsDatabase: "its data is lost",
      UploadsBucket: "the old one stays, with its data",
    });
    expect(mine.flatMap(({ confirm }) => confirm ?? [])).toEqual(["ReportsDatabase"]);
    expect(mine.find(({ name }) => name === "ReportsLogin")).toMatchObject({ kind: "secret", effect: "the password in it goes with it" });
  });

  test("follow a replaced network through outputs and parameters, as far as data is concerned", () => {
    const found = changesOf((input) => Object.assign(any(input).environments.production.network, { cidr: "10.30.0.0/16" }));
    const replaced = brief(found.filter(({ action }) => action === "replace"));
    expect(replaced).toContain("replace network: VPC Vpc");
    expect(replaced).toContain("replace network: subnet IsolatedSubnetA");
    expect(replaced).toContain("replace service web: security group SecurityGroup");
    expect(replaced).toContain("replace service web: ingress rule FromBalancer8081");
    const group = found.find(({ of, name }) => of === "resource database" && name === "DatabaseSecurityGroup");
    expect(group?.differences).toContainEqual({ property: "VpcId", because: "VPC Vpc is replaced" });
  });

  test("of a launch template change the fleet that uses it, and say that its instances go", () => {
    const found = changesOf((input) => Object.assign(any(input).services.web.machine, { disk: "40GB" }));
    expect(found.find(({ name }) => name === "BlueGroup")).toMatchObject({
      of: "service web",
      kind: "Auto Scaling group",
      action: "change",
      effect: "its instances are replaced, batch by batch",
      differences: [{ property: "MixedInstancesPolicy", because: "launch template BlueTemplate is changed" }],
    });
  });

  test("of another engine may replace the database, and say what becomes of the data", () => {
    const found = changesOf((input) => Object.assign(any(input).resources.reports, { type: "postgres" }));
    expect(found.find(({ name }) => name === "ReportsDatabase")).toMatchObject({
      action: "mayReplace",
      data: "if it is replaced, its data is lost, and the new one is empty",
    });
  });

  test("of a type that the table lacks may replace", () => {
    const at = (Text: string) => [
      { name: "shop-production-data", body: JSON.stringify({ Resources: { Thing: { Type: "AWS::New::Thing", Properties: { Text } } } }) },
    ];
    const after = { ...at("b")[0], role: "data", parameters: [], dependsOn: [], tags: {} } as unknown as (typeof standing)[number];
    const { changes } = compareTemplates(at("a"), [after], { app: "shop", environment: "production", resources: [] });
    expect(changes).toEqual([
      {
        of: "resource thing",
        kind: "AWS::New::Thing",
        name: "Thing",
        action: "mayReplace",
        differences: [{ property: "Text", before: "a", after: "b" }],
        data: "if it is replaced, its data is lost, and the new one is empty",
        confirm: "Thing",
      },
    ]);
  });
});

test("every resource of the full example is owned by something of the configuration, or by one of the shared parts", () => {
  const names = { app: "shop", environment: "production", resources: Object.keys(shop.resources) };
  const owners = compareTemplates([], standing, names).changes.map(({ of }) => of);
  const known = [
    ...Object.keys(shop.resources).map((name) => `resource ${name}`),
    ...Object.keys(shop.services).map((name) => `service ${name}`),
    ...["shared by the app's environments", "network", "alerts", "balancer", "routes", "names of resources", "access to resources"],
  ];
  expect([...new Set(owners)].filter((owner) => !known.includes(owner))).toEqual([]);
});
