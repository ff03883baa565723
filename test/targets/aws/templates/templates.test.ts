// What holds for every template, over the examples and the generated environments.
import { describe, expect, test } from "vitest";
import { makeStacks, type StackTemplate } from "../../../../src/targets/aws/templates/index.ts";
import { makeCases } from "./generated.ts";

interface Resource {
  Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is JSON, and tests read into it
  Properties?: any;
  DeletionPolicy?: string;
  UpdateReplacePolicy?: string;
  DependsOn?: string | string[];
}

interface Template {
  Parameters?: Record<string, { Type: string }>;
  Resources: Record<string, Resource>;
  Outputs?: Record<string, { Value: unknown; Export?: unknown }>;
}

const parse = (stack: StackTemplate) => JSON.parse(stack.body) as Template;

const cases = makeCases().map(({ name, deployment, running }) => ({ name, deployment, stacks: makeStacks(deployment, running) }));
const all = cases.flatMap(({ name, deployment, stacks }) =>
  stacks.map((stack) => ({ at: `${name}: ${stack.name}`, deployment, stack, template: parse(stack) })),
);
const resources = all.flatMap(({ at, deployment, stack, template }) =>
  Object.entries(template.Resources).map(([id, resource]) => ({ at: `${at}: ${id}`, deployment, stack, resource })),
);
const ofType = (type: string) => resources.filter(({ resource }) => resource.Type === type);
/** Where it does not hold. An empty list passes only when something was looked at. */
function failing<T extends { at: string }>(items: T[], holds: (item: T) => boolean): string[] {
  expect(items.length).toBeGreaterThan(0);
  return items.filter((item) => !holds(item)).map(({ at }) => at);
}

describe("stacks", () => {
  test("there are enough of them to speak of all", () => {
    expect(cases.length).toBeGreaterThanOrEqual(46);
    expect(new Set(all.map(({ stack }) => stack.role))).toEqual(new Set(["shared", "network", "alarms", "data", "edge", "service", "routes"]));
  });

  test("take parameters only from outputs of stacks before them or of their own, and all that they declare", () => {
    for (const { name, stacks } of cases) {
      const outputs = new Map<string, string[]>();
      for (const stack of stacks) {
        const template = parse(stack);
        expect(Object.keys(template.Parameters ?? {}), name).toEqual(stack.parameters.map((parameter) => parameter.name));
        outputs.set(stack.name, Object.keys(template.Outputs ?? {}));
        for (const { from } of stack.parameters) expect(outputs.get(from.stack), `${name}: ${stack.name}`).toContain(from.output);
        expect(new Set([...stack.dependsOn, stack.name])).toEqual(new Set([...stack.parameters.map(({ from }) => from.stack), stack.name]));
      }
    }
  });

  test("use every parameter that they take", () => {
    const unused = all.flatMap(({ at, template, stack }) =>
      Object.keys(template.Parameters ?? {})
        .filter((name) => !stack.body.includes(`{"Ref":"${name}"}`))
        .map((name) => `${at}: ${name}`),
    );
    expect(unused).toEqual([]);
  });

  test("have all that they refer to", () => {
    const missing = all.flatMap(({ at, template }) =>
      referencesIn(template)
        .filter((name) => !(name in template.Resources || name in (template.Parameters ?? {}) || name.startsWith("AWS::")))
        .map((name) => `${at}: ${name}`),
    );
    expect(missing).toEqual([]);
    expect(failing(all, ({ stack }) => !stack.body.includes('"Fn::Sub"'))).toEqual([]);
    expect(referencesIn({ A: { "Fn::GetAtt": ["B", "Arn"] }, C: [{ Ref: "D" }], DependsOn: ["E"] })).toEqual(["B", "D", "E"]);
  });

  // CloudFormation gives back no other character: test/emulator/launcher.py.
  test("are ASCII, whatever is in the configuration", () => {
    expect(failing(all, ({ stack }) => /^[\0-\x7f]*$/.test(stack.body))).toEqual([]);
    expect(all.some(({ stack }) => JSON.stringify(JSON.parse(stack.body)).includes("é🎉"))).toBe(true);
  });

  test("export nothing, import nothing, nest nothing", () => {
    expect(failing(all, ({ stack }) => !/"Export"|Fn::ImportValue|AWS::CloudFormation::Stack"/.test(stack.body))).toEqual([]);
  });

  test("bring no custom resource, no function, no rule of a bootstrap", () => {
    expect(failing(resources, ({ resource }) => !/^(Custom::|AWS::Lambda|AWS::CloudFormation::CustomResource)/.test(resource.Type))).toEqual([]);
    expect(failing(all, ({ stack }) => !/BootstrapVersion|cdk-hnb659fds|aws:cdk|CheckBootstrap/.test(stack.body))).toEqual([]);
  });

  test("stay below CloudFormation's limits", () => {
    expect(failing(all, ({ stack }) => Buffer.byteLength(stack.body) <= 51_200)).toEqual([]);
    expect(failing(all, ({ template }) => Object.keys(template.Resources).length < 500)).toEqual([]);
    expect(failing(all, ({ template }) => Object.keys(template.Parameters ?? {}).length <= 200)).toEqual([]);
    expect(failing(all, ({ template }) => Object.keys(template.Outputs ?? {}).length <= 200)).toEqual([]);
  });

  test("carry the tags by which they are found", () => {
    expect(failing(all, ({ stack, deployment }) => stack.tags["landfall:app"] === deployment.app)).toEqual([]);
    expect(failing(all, ({ stack, deployment }) => stack.role === "shared" || stack.tags["landfall:environment"] === deployment.environment)).toEqual(
      [],
    );
  });

  // CloudFormation puts the tags of a stack on everything in it, again whenever one of them changes.
  test("say which release serves by an output, and not by a tag", () => {
    const services = all.filter(({ stack, template }) => stack.role === "service" && JSON.stringify(template).includes("AutoScalingGroup"));
    const told = ({ Outputs }: (typeof services)[number]["template"]) =>
      Object.entries(Outputs ?? {}).find(([name]) => name.endsWith("Release"))?.[1];
    expect(failing(services, ({ template }) => told(template)?.Value === "7f3c2a")).toEqual([]);
    expect(failing(all, ({ stack }) => !("landfall:release" in stack.tags))).toEqual([]);
  });

  test("look nothing up: no zone, account or region is written in them", () => {
    const known = /\b(eu-central-1|us-gov-west-1)[a-f]\b|dummy1a/;
    expect(failing(all, ({ stack }) => !known.test(stack.body))).toEqual([]);
  });

  test("hold no password: those are made by AWS and read by reference", () => {
    const passwords = ofType("AWS::RDS::DBInstance").concat(ofType("AWS::ElastiCache::ReplicationGroup"));
    const text = (value: unknown) => JSON.stringify(value);
    expect(
      failing(passwords, ({ resource: { Properties: p } }) => text(p.MasterUserPassword ?? p.AuthToken).includes("{{resolve:secretsmanager:")),
    ).toEqual([]);
  });
});

describe("security", () => {
  const open = (rule: { CidrIp?: string; CidrIpv6?: string }) => rule.CidrIp === "0.0.0.0/0" || rule.CidrIpv6 !== undefined;

  test("only the balancer is open to the world, on 80 and 443", () => {
    const ingress = ofType("AWS::EC2::SecurityGroup").flatMap(({ at, resource }) =>
      ((resource.Properties.SecurityGroupIngress ?? []) as { CidrIp?: string; FromPort?: number; ToPort?: number }[]).map((rule) => ({ at, rule })),
    );
    const world = ingress.filter(({ rule }) => open(rule));
    expect(
      failing(
        world,
        ({ at, rule }) => at.endsWith(": BalancerSecurityGroup") && rule.FromPort === rule.ToPort && [80, 443].includes(rule.FromPort ?? 0),
      ),
    ).toEqual([]);
    expect(failing(ofType("AWS::EC2::SecurityGroupIngress"), ({ resource: { Properties: p } }) => p.SourceSecurityGroupId && !open(p))).toEqual([]);
  });

  test("instances speak IMDSv2 only, and their disks are encrypted", () => {
    const templates = ofType("AWS::EC2::LaunchTemplate").map(({ at, resource }) => ({ at, data: resource.Properties.LaunchTemplateData }));
    expect(
      failing(templates, ({ data }) => data.MetadataOptions.HttpTokens === "required" && data.MetadataOptions.HttpPutResponseHopLimit === 1),
    ).toEqual([]);
    expect(failing(templates, ({ data }) => data.BlockDeviceMappings.every((disk: { Ebs: { Encrypted: boolean } }) => disk.Ebs.Encrypted))).toEqual(
      [],
    );
    expect(failing(templates, ({ data }) => data.KeyName === undefined)).toEqual([]);
    expect(failing(ofType("AWS::EC2::Instance"), ({ resource }) => resource.Properties.LaunchTemplate)).toEqual([]);
  });

  test("data is encrypted at rest", () => {
    expect(failing(ofType("AWS::RDS::DBInstance"), ({ resource: { Properties: p } }) => p.StorageEncrypted && !p.PubliclyAccessible)).toEqual([]);
    expect(
      failing(
        ofType("AWS::ElastiCache::ReplicationGroup"),
        ({ resource: { Properties: p } }) => p.AtRestEncryptionEnabled && p.TransitEncryptionEnabled,
      ),
    ).toEqual([]);
    expect(failing(ofType("AWS::SQS::Queue"), ({ resource }) => resource.Properties.SqsManagedSseEnabled)).toEqual([]);
    expect(failing(ofType("AWS::S3::Bucket"), ({ resource }) => resource.Properties.BucketEncryption)).toEqual([]);
    expect(failing(ofType("AWS::SNS::Topic"), ({ resource }) => resource.Properties.KmsMasterKeyId)).toEqual([]);
    expect(failing(ofType("AWS::ECR::Repository"), ({ resource }) => resource.Properties.EncryptionConfiguration)).toEqual([]);
  });

  test("queues, buckets and topics take TLS only; databases force it", () => {
    const policies = ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"].flatMap(ofType);
    const refuses = ({ resource }: (typeof policies)[number]) =>
      resource.Properties.PolicyDocument.Statement.some(
        (statement: { Effect: string; Condition?: { Bool?: object } }) =>
          statement.Effect === "Deny" && JSON.stringify(statement.Condition) === '{"Bool":{"aws:SecureTransport":"false"}}',
      );
    expect(failing(policies, refuses)).toEqual([]);
    expect(ofType("AWS::S3::BucketPolicy").length).toBe(ofType("AWS::S3::Bucket").length);
    expect(ofType("AWS::SQS::QueuePolicy").length).toBe(ofType("AWS::SQS::Queue").length);
    const parameters = ofType("AWS::RDS::DBParameterGroup").map(({ at, resource }) => ({ at, p: resource.Properties.Parameters }));
    expect(failing(parameters, ({ p }) => p["rds.force_ssl"] === "1" || p.require_secure_transport === "1")).toEqual([]);
  });

  test("what people put in stays when its stack goes", () => {
    const kept = ({ resource }: (typeof resources)[number], policy: string) =>
      resource.DeletionPolicy === policy && resource.UpdateReplacePolicy === policy;
    expect(
      failing(
        ofType("AWS::S3::Bucket").filter(({ stack }) => stack.role === "data"),
        (item) => kept(item, "Retain"),
      ),
    ).toEqual([]);
    const databases = ofType("AWS::RDS::DBInstance");
    const wanted = ({ deployment, at }: (typeof databases)[number]) =>
      Object.values(deployment.resources).some((own) => "finalSnapshot" in own && !own.finalSnapshot) || at.includes("Reports")
        ? ["Snapshot", "Delete"]
        : ["Snapshot"];
    expect(failing(databases, (item) => wanted(item).some((policy) => kept(item, policy)))).toEqual([]);
  });

  test("no role may do everything, and none is lent to another account", () => {
    const statements = ofType("AWS::IAM::Role").flatMap(({ at, resource }) =>
      resource.Properties.Policies.flatMap(
        (policy: { PolicyDocument: { Statement: { Action: string | string[]; Resource: unknown; Condition?: unknown }[] } }) =>
          policy.PolicyDocument.Statement.map((statement) => ({ at, statement })),
      ),
    ) as { at: string; statement: { Sid: string; Action: string | string[]; Resource: unknown; Condition?: unknown } }[];
    expect(failing(statements, ({ statement }) => ![statement.Action].flat().some((action) => action.includes("*")))).toEqual([]);
    expect(
      failing(
        statements,
        ({ statement }) =>
          statement.Resource !== "*" || statement.Condition !== undefined || ["SessionManager", "RegistryLogin", "Standing"].includes(statement.Sid),
      ),
    ).toEqual([]);
    expect(failing(ofType("AWS::IAM::Role"), ({ resource }) => resource.Properties.ManagedPolicyArns === undefined)).toEqual([]);
  });
});

/** The names in Ref, Fn::GetAtt and DependsOn. */
function referencesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === "Ref" && typeof inner === "string") return [inner];
    if (key === "Fn::GetAtt") return [(inner as string[])[0] as string];
    if (key === "DependsOn") return [inner].flat() as string[];
    return referencesIn(inner);
  });
}
