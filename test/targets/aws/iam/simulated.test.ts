// What CloudFormation calls in a person's name is allowed by the policy that is printed for the command: each call of each handler of each
// type in the templates, on each thing that it is about, with the tags that exist at that moment, decided by an IAM of other people's.
import { beforeAll, expect, test } from "vitest";
import type { Deployment } from "../../../../src/config/deployment.ts";
import type { CommandPermissions } from "../../../../src/reports.ts";
import { COMMANDS } from "../../../../src/targets/aws/iam/commands.ts";
import { permissionsOf } from "../../../../src/targets/aws/iam/policy.ts";
import { withFleets } from "../../../../src/targets/aws/prices/cost.ts";
import { RESOURCE_TYPES } from "../../../../src/targets/aws/resource-types/index.ts";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { requires } from "../../../skips.ts";
import { ACCOUNT, ARNS, REGION } from "../resource-types/arns.ts";
import { CONTAINERS, FULL, production } from "../templates/apps.ts";
import type { HandlerFacts } from "../templates/cfn-lint.ts";
import { handlerFacts, hasPython } from "../templates/cfn-lint.ts";
import { type HandlerRequest, handlerRequests } from "./handler-requests.ts";
import { refusalOf } from "./simulate.ts";

const shop = (input: object, environment: object = {}): Deployment =>
  production({ ...input, name: "shop", environments: { production: { ...environment, target: "aws", region: REGION, account: ACCOUNT } } });
const APPS: Record<string, Deployment> = {
  machines: production(FULL),
  "machines behind a NAT instance": shop(FULL, { network: { nat: "instance" } }),
  containers: shop(CONTAINERS),
};
/** The second app has two types besides those of the first. */
const RUNS = Object.keys(APPS).flatMap((name) =>
  ["plan --drift", "commission", "deploy", "decommission"]
    .filter((command) => command === "commission" || !name.includes("NAT"))
    .map((command) => ({ name, command })),
);

interface Tagged {
  TagSpecifications?: { ResourceType: string; Tags: { Key: string }[] }[];
}

interface Drawn {
  Type: string;
  Properties?: Tagged & { LaunchTemplateData?: Tagged };
}

interface World {
  /** By the stack's role. */
  drawn: [role: string, resource: Drawn][];
  permissions: CommandPermissions[];
}

function drawWorld(deployment: Deployment): World {
  const stacks = makeStacks(deployment, withFleets(deployment, {}));
  const resourcesIn = (body: string) => Object.values((JSON.parse(body) as { Resources: Record<string, Drawn> }).Resources);
  return {
    drawn: stacks.flatMap(({ role, body }) => resourcesIn(body).map((resource) => [role, resource] as [string, Drawn])),
    permissions: permissionsOf(deployment, stacks).permissions,
  };
}

const carries = (kind: string, { TagSpecifications = [] }: Tagged = {}) =>
  TagSpecifications.some(({ ResourceType, Tags }) => ResourceType === kind && Tags.some(({ Key }) => Key === "landfall:app"));

/** The stack's tags get onto everything that takes tags, but onto launch templates, which say themselves what they and what they start carry. */
function taggedIn({ drawn }: World, facts: Record<string, HandlerFacts>): Set<string> {
  const templates = drawn.flatMap(([, { Type, Properties }]) => (Type === "AWS::EC2::LaunchTemplate" ? [Properties ?? {}] : []));
  const own = templates.every((one) => carries("launch-template", one));
  const interfaces = templates.every((one) => carries("network-interface", one.LaunchTemplateData));
  return new Set(
    Object.entries(ARNS)
      .flatMap(([type, arns]) => arns.map((arn) => [arn, facts[type]?.isTaggable || (type === "AWS::EC2::LaunchTemplate" && own)] as const))
      .flatMap(([arn, isTagged]) => (isTagged || (arn.includes(":network-interface/") && interfaces) ? [arn] : [])),
  );
}

requires("python3 with venv", hasPython())("what CloudFormation calls in a person's name", () => {
  let facts: Record<string, HandlerFacts> = {};
  let worlds: Record<string, World> = {};
  beforeAll(() => {
    facts = handlerFacts(Object.keys(RESOURCE_TYPES));
    worlds = Object.fromEntries(Object.entries(APPS).map(([name, app]) => [name, drawWorld(app)]));
  });

  async function requestsOf(world: World, { handlers, of }: (typeof COMMANDS)[number]): Promise<HandlerRequest[]> {
    const own = world.drawn.filter(([role]) => of === undefined || of === "all" || of.some((one) => one === role)).map(([, { Type }]) => Type);
    const types = of === "all" ? Object.keys(RESOURCE_TYPES) : [...new Set(own)];
    const tagged = taggedIn(world, facts);
    const requests = await Promise.all(types.map((type) => handlerRequests({ ...(facts[type] as HandlerFacts), type }, (arn) => tagged.has(arn))));
    const all = requests.flat().filter(({ handler }) => handlers.includes(handler));
    return [...new Map(all.map((request) => [JSON.stringify(request), request])).values()];
  }

  test("is about a thing of every type", () => {
    expect(Object.keys(ARNS).sort()).toEqual(Object.keys(RESOURCE_TYPES).sort());
  });

  test.each(RUNS)("is allowed to $command $name", async ({ name, command }) => {
    const world = worlds[name] as World;
    const policies = world.permissions.find(({ commands }) => commands[0] === command)?.policies ?? [];
    const requests = await requestsOf(world, COMMANDS.find(({ commands }) => commands[0] === command) as (typeof COMMANDS)[number]);
    expect(requests.length).toBeGreaterThan(60);
    const refused: string[] = [];
    for (const request of requests) {
      const refusal = await refusalOf(policies, request);
      if (refusal) refused.push(`${request.handler}: ${refusal}, ${request.tags ? "tagged" : "without tags"}`);
    }
    expect(refused).toEqual([]);
  });
});
