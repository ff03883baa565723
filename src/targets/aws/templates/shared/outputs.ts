// The outputs of an environment's stacks: the one table of what each gives, to the stacks after it and to whoever looks them up. A stack
// gives nothing else, and everything here is read by somebody.
import { logicalName, type StackRole } from "./names.ts";
import type { Slot } from "./running.ts";

export const OUTPUTS = {
  shared: ["ArtifactsBucket", "ImagesUri", "ImagesArn", "BuilderProfile"],
  /** `Zones` is what it takes of itself: those that it was made with. */
  network: ["Zones", "Vpc", "PublicSubnets", "InstanceSubnets", "IsolatedSubnets", "LogsBucket", "BuilderSecurityGroup"],
  alarms: ["Topic"],
  data: ["ClientsSecurityGroup"],
  edge: ["Listener", "BalancerName", "BalancerSecurityGroup", "Address"],
  /** `Resources`, where there are fleets: `digestOfGiven`. `Release` is the one that serves; a tag of the stack would change everything in it each time. */
  service: ["SecurityGroup", "Profile", "Cluster", "ExecutionRole", "TaskRole", "Resources", "Release"],
  routes: ["Release"],
  /** Of the stack `data`, for each resource. `LoginUrl` is the whole URL, where there are containers. */
  resource: [
    "Address",
    "Login",
    "LoginUrl",
    "LoginReadOnly",
    "LoginReadOnlyUrl",
    "QueueUrl",
    "QueueArn",
    "QueueName",
    "DeadLettersUrl",
    "DeadLettersArn",
    "Bucket",
  ],
  /** Of the stack of a service, for each of its fleets. */
  fleet: ["TargetGroup", "Alarms", "Group", "Tasks"],
} as const;

type NameOf<Owner extends keyof typeof OUTPUTS> = (typeof OUTPUTS)[Owner][number];

export type ResourceOutput = NameOf<"resource">;

/** How an output is called within its stack, by the stack's role: its name, after the resource or the fleet that it is of. */
export interface OutputPath {
  shared: [NameOf<"shared">];
  network: [NameOf<"network">];
  alarms: [NameOf<"alarms">];
  data: [NameOf<"data">] | [resource: string, ResourceOutput];
  edge: [NameOf<"edge">];
  service: [NameOf<"service">] | [fleet: Slot, NameOf<"fleet">];
  routes: [NameOf<"routes">];
}

/** How an output is called from outside: the stack, and the path within it. */
export type OutputAddress = {
  [Role in StackRole]: Role extends "service"
    ? [role: Role, service: string, ...path: OutputPath["service"]]
    : [role: Role, ...path: OutputPath[Role]];
}[StackRole];

/** As CloudFormation has it: `Vpc`, `DatabaseLogin`, `WebCluster`, `WebBlueTargetGroup`. No stack takes two of one name from two others. */
export const outputKey = (service: string | undefined, path: readonly string[]): string =>
  [...(service === undefined ? [] : [service]), ...path.slice(0, -1)].map(logicalName).join("") + path.at(-1);
