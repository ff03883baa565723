// The table of outputs: a name that is not in it does not compile, and one that is in it is given by some template and read by somebody.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";
import { describe, expect, test } from "vitest";
import { type EnvironmentOutputs, outputsOf } from "../../../../../src/targets/aws/environment-outputs.ts";
import { makeStacks } from "../../../../../src/targets/aws/templates/index.ts";
import { logicalName, stackName } from "../../../../../src/targets/aws/templates/shared/names.ts";
import { OUTPUTS, outputKey } from "../../../../../src/targets/aws/templates/shared/outputs.ts";
import type { StackBuilder } from "../../../../../src/targets/aws/templates/shared/stack-builder.ts";
import { makeCases } from "../generated.ts";

const SRC = "src/targets/aws";
const TABLE = [...new Set(Object.values(OUTPUTS).flat())].sort();

describe("names", () => {
  const shop = { app: "shop", environment: "production" };

  test("of stacks and of outputs", () => {
    expect([stackName(shop, "shared"), stackName(shop, "edge"), stackName(shop, "service", "web")]).toEqual([
      "shop-shared",
      "shop-production-edge",
      "shop-production-service-web",
    ]);
    expect([outputKey(undefined, ["Vpc"]), outputKey(undefined, ["read-model", "LoginUrl"]), outputKey("web", ["blue", "Alarms"])]).toEqual([
      "Vpc",
      "ReadModelLoginUrl",
      "WebBlueAlarms",
    ]);
  });

  test("are looked up by the same table", () => {
    const outputs = outputsOf(shop, [
      { name: "shop-production-edge", outputs: { Address: "http://shop.example.com" } },
      { name: "shop-production-service-web", outputs: { WebBlueTargetGroup: "arn:blue" } },
    ]);
    expect(outputs.find("edge", "Address")).toBe("http://shop.example.com");
    expect(outputs.find("service", "web", "blue", "TargetGroup")).toBe("arn:blue");
    expect(outputs.find("service", "web", "green", "TargetGroup")).toBeUndefined();
    expect(outputs.find("network", "Vpc")).toBeUndefined();
  });

  test("with a typo do not compile", () => {
    // Never run: what counts is that each line below is an error to the compiler.
    const typos = (outputs: EnvironmentOutputs, network: StackBuilder<"network">, data: StackBuilder<"data">, service: StackBuilder<"service">) => {
      // @ts-expect-error an output that the network does not give
      outputs.get("network", "Vcp");
      // @ts-expect-error an output of another stack
      outputs.get("network", "Topic");
      // @ts-expect-error a stack that is not there
      outputs.get("netwerk", "Vpc");
      // @ts-expect-error an output of a resource without the resource
      outputs.get("data", "Login");
      // @ts-expect-error a fleet that no service has
      outputs.get("service", "web", "red", "TargetGroup");
      // @ts-expect-error a typo in an output of a fleet
      outputs.get("service", "web", "blue", "TargetGroups");
      // @ts-expect-error an output that is not in the table
      network.output("vpc-1", "VpcId");
      // @ts-expect-error an output of a resource that is not in the table
      data.output("arn", "database", "Logins");
      // @ts-expect-error a parameter from an output that the stack does not give
      service.parameter(network, "Topic");
      // @ts-expect-error a service's stack has the service's name
      stackName(shop, "service");
      // @ts-expect-error a role that is not there
      stackName(shop, "foundation");
    };
    expect(typos).toBeTypeOf("function");
  });
});

describe("every output of the table", () => {
  test("is given by some template, and no template gives another", () => {
    const given = new Set(
      makeCases().flatMap(({ deployment, running }) => {
        const owners = [...Object.keys(deployment.resources), ...Object.keys(deployment.services)]
          .map(logicalName)
          .sort((a, b) => b.length - a.length);
        return makeStacks(deployment, running).flatMap(({ body }) =>
          Object.keys((JSON.parse(body) as { Outputs?: object }).Outputs ?? {}).map((key) => withoutOwner(key, owners)),
        );
      }),
    );
    expect([...given].sort()).toEqual(TABLE);
  });

  test("is read by somebody: as a parameter of a stack, or by a command", () => {
    const read = new Set(sources().flatMap(literalsRead));
    expect(TABLE.filter((name) => !read.has(name))).toEqual([]);
  });

  test("would be missed by these tests if nobody read it", () => {
    const text =
      'builder.output(vpc.ref, "Vpc"); new CfnTopic(stack, "Topic"); builder.parameter(network, "LogsBucket"); outputs.find("data", name, "Login");';
    expect(literalsRead(text)).toEqual(["LogsBucket", "data", "Login"]);
  });
});

/** `WebBlueTargetGroup` → `TargetGroup`, but `Topic` stays, also in an app with a service of that name. */
function withoutOwner(key: string, owners: string[]): string {
  if (TABLE.includes(key as never)) return key;
  const owner = owners.find((name) => key.startsWith(name) && TABLE.some((output) => key.endsWith(output))) ?? "";
  return key.slice(owner.length).replace(/^(Blue|Green|Baseline)/, "");
}

const sources = (): string[] =>
  readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith("/outputs.ts"))
    .map((file) => readFileSync(join(SRC, file), "utf8"));

/** What reads outputs: the methods of a stack under construction and of an environment that stands, and the functions of resources. */
const READERS = /^(parameter|parameterList|ownList|find|get|outputs|take|loginSource|source)$/;

/** The texts among the arguments of calls that read outputs, and of what a resource says that its own are. */
function literalsRead(text: string): string[] {
  const found: string[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (typeof node !== "object" || node === null) return;
    const { type, callee, arguments: given, key, value } = node as Record<string, never>;
    if (type === "CallExpression" && READERS.test(nameOf(callee))) found.push(...textsIn(given));
    if (type === "Property" && /^(address|logins)$/.test(nameOf(key))) found.push(...textsIn(value));
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseSync("x.ts", text).program.body);
  return found;
}

const nameOf = (node: { name?: string; property?: { name?: string } } | undefined): string => node?.property?.name ?? node?.name ?? "";

/** Of `${login}Url` the names that it can come to. */
function textsIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(textsIn);
  if (typeof node !== "object" || node === null) return [];
  const { type, value, quasis } = node as { type?: string; value?: unknown; quasis?: { value: { raw: string } }[] };
  if (type === "Literal" && typeof value === "string") return [value];
  if (type === "TemplateLiteral" && quasis?.at(-1)?.value.raw === "Url") return ["LoginUrl", "LoginReadOnlyUrl"];
  return Object.entries(node).flatMap(([key, child]) => (key === "callee" ? [] : textsIn(child)));
}
