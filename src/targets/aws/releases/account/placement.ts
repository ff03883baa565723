// Where machines go that are in no fleet: builder instances, and that of a release phase.
import { serviceOf } from "../../../../config/deployment.ts";
import type { Context } from "../../context.ts";
import type { EnvironmentOutputs } from "../../environment-outputs.ts";
import { diskOf, IMAGE_GIB } from "../../templates/compute/disks.ts";
import { havePublicAddresses } from "../../templates/network/existing.ts";
import type { Architecture } from "../architecture.ts";
import type { MachineImage, OneOffTask } from "../driver.ts";

/** Cheap, and large enough for a package manager and a compiler. */
export const BUILDER_TYPES: Record<Architecture, string> = { arm64: "t4g.medium", amd64: "t3.medium" };
/** The same with half the memory: accounts on AWS's Free plan have no larger one of its kind. */
export const FREE_BUILDER_TYPES: Record<Architecture, string> = { arm64: "t4g.small", amd64: "t3.small" };
/** EC2, to accounts on that plan. */
export const NOT_ON_FREE_PLAN = /not eligible for Free Tier/i;
/** Room for what a build needs beside what it makes. */
const BUILD_GIB = 20;

export interface Machine {
  image: MachineImage;
  type: string;
  /** What it can be instead, where the account's plan does not have that one. */
  freeType?: string;
  /** The ARN or the name of its instance profile. */
  profile: { Arn: string } | { Name: string };
  subnet: string;
  securityGroups: string[];
  publicAddress: boolean;
  /** At least; its image may need more. */
  diskGib: number;
}

type Placing = Pick<Machine, "subnet" | "securityGroups" | "publicAddress">;

const placeOf = ({ deployment: { settings } }: Context, outputs: EnvironmentOutputs, securityGroups: string[]): Placing => ({
  subnet: outputs.get("network", "InstanceSubnets").split(",")[0] as string,
  securityGroups,
  publicAddress: havePublicAddresses(settings.network),
});

export function machineFor(context: Context, outputs: EnvironmentOutputs, task: OneOffTask, image: MachineImage): Machine {
  return task.service === undefined ? builderMachine(context, outputs, task, image) : serviceMachine(context, outputs, task.service, image);
}

/** It reaches out, and nobody reaches it. */
const builderMachine = (context: Context, outputs: EnvironmentOutputs, { work, architecture }: OneOffTask, image: MachineImage): Machine => ({
  image,
  type: BUILDER_TYPES[architecture],
  freeType: FREE_BUILDER_TYPES[architecture],
  diskGib: work.kind === "bake" ? IMAGE_GIB : BUILD_GIB,
  profile: { Name: outputs.get("shared", "BuilderProfile") },
  ...placeOf(context, outputs, [outputs.get("network", "BuilderSecurityGroup")]),
});

/** With the rights of a service. */
function serviceMachine(context: Context, outputs: EnvironmentOutputs, service: string, image: MachineImage): Machine {
  const settings = serviceOf(context.deployment, service);
  return {
    image,
    type: settings.machine.types[0] as string,
    profile: { Arn: outputs.get("service", service, "Profile") },
    diskGib: diskOf(settings),
    ...placeOf(context, outputs, securityGroupsOf(outputs, service)),
  };
}

/** Its own, and that of databases and caches, where there are any. */
export const securityGroupsOf = (outputs: EnvironmentOutputs, service: string): string[] => [
  outputs.get("service", service, "SecurityGroup"),
  ...[outputs.find("data", "ClientsSecurityGroup")].filter((group) => group !== undefined),
];
