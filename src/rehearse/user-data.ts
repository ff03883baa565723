// The user data of an instance, out of the very template that CloudFormation would get, with the values that stand here.
import type { EnvironmentApp } from "../config/app.ts";
import { bootScript, type ReleaseArtifact } from "../machine/index.ts";
import { makeStacks, type StackTemplate } from "../targets/aws/stacks/index.ts";
import { REGION } from "./endpoints.ts";

/** An intrinsic function, or a text: as much of CloudFormation's language as user data has. */
type Value = string | { Ref: string } | { "Fn::Join": [string, Value[]] } | { "Fn::Base64": Value };

export interface FleetsInput {
  app: EnvironmentApp;
  release: ReleaseArtifact;
  /** The output of a stack. */
  look(output: string): string;
}

export interface UserData {
  text: string;
  /** The stack that the instance would be of. */
  stack: string;
  /** What it would be tagged with. */
  tags: Record<string, string>;
}

/** By service. */
export function compileUserData({ app, release, look }: FleetsInput): Record<string, UserData> {
  const services = Object.keys(app.app.services);
  const fleet = (service: string) => ({ release: release.id, image: "ami-00000000000000000", script: bootScript({ app, service, release }) });
  const stacks = makeStacks(app, Object.fromEntries(services.map((service) => [service, { blue: fleet(service) }])));
  return Object.fromEntries(services.map((service) => [service, readTemplate(stacks.find((one) => one.service === service) as StackTemplate, look)]));
}

function readTemplate(stack: StackTemplate, look: FleetsInput["look"]): UserData {
  const { Resources } = JSON.parse(stack.body) as { Resources: Record<string, { Type: string; Properties: LaunchTemplate }> };
  const template = Object.values(Resources).find(({ Type }) => Type === "AWS::EC2::LaunchTemplate");
  const group = Object.keys(Resources).find((name) => Resources[name]?.Type === "AWS::AutoScaling::AutoScalingGroup");
  if (!template) throw new TypeError(`the stack "${stack.name}" has no launch template`);
  const { UserData, TagSpecifications } = template.Properties.LaunchTemplateData;
  const tags = TagSpecifications.find(({ ResourceType }) => ResourceType === "instance")?.Tags ?? [];
  return {
    text: resolve(UserData, (name) => lookUp(stack, name, look)),
    stack: stack.name,
    tags: {
      ...Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value])),
      "aws:autoscaling:groupName": `${stack.name}-${group}`,
      "aws:cloudformation:stack-name": stack.name,
    },
  };
}

interface LaunchTemplate {
  LaunchTemplateData: { UserData: Value; TagSpecifications: { ResourceType: string; Tags: { Key: string; Value: string }[] }[] };
}

function lookUp(stack: StackTemplate, name: string, look: FleetsInput["look"]): string {
  if (name === "AWS::Region") return REGION;
  if (name === "AWS::StackName") return stack.name;
  const output = stack.parameters.find((parameter) => parameter.name === name)?.from.output;
  if (output === undefined) throw new TypeError(`user data refers to "${name}", which a rehearsal does not know`);
  return look(output);
}

function resolve(value: Value, valueOfName: (name: string) => string): string {
  if (typeof value === "string") return value;
  if ("Ref" in value) return valueOfName(value.Ref);
  if ("Fn::Base64" in value) return resolve(value["Fn::Base64"], valueOfName);
  const [separator, parts] = value["Fn::Join"];
  return parts.map((part) => resolve(part, valueOfName)).join(separator);
}
