// A fleet out of the very template that CloudFormation would get, with the values that stand here: what its instances are started with, how many
// there are, and how one release takes over from another.
import { type DeployedService, type Deployment, serviceOf } from "../config/deployment.ts";
import type { InstanceProxy } from "../routing/placement.ts";
import { makeStacks, type Running, type StackTemplate } from "../targets/aws/templates/index.ts";
import { logicalName } from "../targets/aws/templates/shared/names.ts";
import type { Slot } from "../targets/aws/templates/shared/running.ts";
import { REGION } from "./endpoints.ts";
import type { Hook } from "./instance-life.ts";

/** An intrinsic function, or a text: as much of CloudFormation's language as user data has. */
type Value = string | { Ref: string } | { "Fn::Join": [string, Value[]] } | { "Fn::Base64": Value };

/** The value of a stack's output. */
type Look = (output: string) => string;

export interface FleetTemplate {
  service: string;
  slot: Slot;
  release: string;
  /** Those of its release, as is the proxy. */
  settings: DeployedService;
  proxy?: InstanceProxy;
  /** Of the machine's disk. */
  image: string;
  userData: string;
  /** The stack that the instances would be of. */
  stack: string;
  /** What they would be tagged with. */
  tags: Record<string, string>;
  count: number;
  /** So many are replaced at a time. */
  batch: number;
  /** Whether new ones are started before old ones end. */
  surge: boolean;
  /** What holds an instance before it is in service, and before it is switched off. */
  hooks: { launch?: Hook; end?: Hook };
  /** How long the balancer lets go of an instance; of a fleet that takes no requests not at all. */
  letGoMs: number;
}

/** Of each service, as its stack would be told to run them. */
export function compileFleets(deployment: Deployment, running: Running, look: Look): FleetTemplate[] {
  const stacks = makeStacks(deployment, running);
  return Object.entries(running).flatMap(([service, fleets]) => {
    const stack = stacks.find((one) => one.service === service);
    if (!stack) throw new TypeError(`no stack of service "${service}"`);
    const template = JSON.parse(stack.body) as Template;
    return (Object.keys(fleets) as Slot[]).map((slot) => ({
      service,
      slot,
      release: fleets[slot]?.release ?? "",
      settings: fleets[slot]?.settings ?? serviceOf(deployment, service),
      proxy: fleets[slot]?.proxy,
      stack: stack.name,
      ...readLaunch(template, stack, slot, look),
      ...readGroup(template, stack, slot),
    }));
  });
}

interface LaunchTemplate {
  Properties: {
    LaunchTemplateData: { ImageId: string; UserData: Value; TagSpecifications: { ResourceType: string; Tags: { Key: string; Value: string }[] }[] };
  };
}

interface Group {
  Properties: {
    MinSize: string;
    DesiredCapacity?: string;
    LifecycleHookSpecificationList: {
      LifecycleHookName: string;
      LifecycleTransition: string;
      HeartbeatTimeout: number;
      DefaultResult: Hook["defaultResult"];
    }[];
  };
  UpdatePolicy: { AutoScalingRollingUpdate: { MinInstancesInService: number; MaxBatchSize: number } };
}

interface TargetGroup {
  Properties: { TargetGroupAttributes: { Key: string; Value: string }[] };
}

/** As much of a service's template as is read. */
interface Template {
  Resources: Record<`${string}Template`, LaunchTemplate> & Record<`${string}TargetGroup`, TargetGroup> & Record<`${string}Group`, Group>;
}

function readLaunch({ Resources }: Template, stack: StackTemplate, slot: Slot, look: Look): Pick<FleetTemplate, "image" | "userData" | "tags"> {
  const { ImageId, UserData, TagSpecifications } = resourceOf(Resources[`${logicalName(slot)}Template`], stack).Properties.LaunchTemplateData;
  const tags = TagSpecifications.find(({ ResourceType }) => ResourceType === "instance")?.Tags ?? [];
  return {
    image: ImageId,
    userData: resolve(UserData, (name) => lookUp(stack, name, look)),
    tags: {
      ...Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value])),
      "aws:autoscaling:groupName": `${stack.name}-${groupName(slot)}`,
      "aws:cloudformation:stack-name": stack.name,
    },
  };
}

const groupName = (slot: Slot) => `${logicalName(slot)}Group` as const;

function readGroup(
  { Resources }: Template,
  stack: StackTemplate,
  slot: Slot,
): Pick<FleetTemplate, "count" | "batch" | "surge" | "hooks" | "letGoMs"> {
  const { Properties, UpdatePolicy } = resourceOf(Resources[groupName(slot)] as Group | undefined, stack);
  const { MinInstancesInService, MaxBatchSize } = UpdatePolicy.AutoScalingRollingUpdate;
  const count = Number(Properties.DesiredCapacity ?? Properties.MinSize);
  const target = Resources[`${logicalName(slot)}TargetGroup`] as TargetGroup | undefined;
  const delay = target?.Properties.TargetGroupAttributes.find(({ Key }) => Key === "deregistration_delay.timeout_seconds")?.Value ?? "0";
  const hooks = { launch: hookOf(Properties, "LAUNCHING"), end: hookOf(Properties, "TERMINATING") };
  return { count, batch: MaxBatchSize, surge: MinInstancesInService >= count, hooks, letGoMs: Number(delay) * 1000 };
}

function hookOf({ LifecycleHookSpecificationList: hooks }: Group["Properties"], transition: "LAUNCHING" | "TERMINATING"): Hook | undefined {
  const hook = hooks.find(({ LifecycleTransition }) => LifecycleTransition === `autoscaling:EC2_INSTANCE_${transition}`);
  return hook && { name: hook.LifecycleHookName, heartbeatMs: hook.HeartbeatTimeout * 1000, defaultResult: hook.DefaultResult };
}

function resourceOf<Resource>(resource: Resource | undefined, { name }: StackTemplate): Resource {
  if (resource === undefined) throw new TypeError(`the stack "${name}" has no fleet of machines`);
  return resource;
}

function lookUp(stack: StackTemplate, name: string, look: Look): string {
  if (name === "AWS::Region") return REGION;
  if (name === "AWS::StackName") return stack.name;
  if (name.endsWith("TargetGroup")) return `arn:aws:elasticloadbalancing:${REGION}:000000000000:targetgroup/${stack.name}-${name}/0000000000000000`;
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
