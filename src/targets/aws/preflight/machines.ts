// Whether EC2 would start the machines: Debian's image, and dry runs with the types and disks that builders and services get.
import type { RunInstancesRequest } from "@aws-sdk/client-ec2";
import { LandfallError } from "../../../error.ts";
import type { PreflightFinding } from "../../../reports.ts";
import { meaningOf } from "../cloudformation/explanations.ts";
import type { Context } from "../context.ts";
import { outputsOf } from "../environment-outputs.ts";
import { findBase } from "../releases/account/machine-images.ts";
import { BUILDER_TYPES, FREE_BUILDER_TYPES, NOT_ON_FREE_PLAN } from "../releases/account/placement.ts";
import { type Architecture, architectureOf, onMachines } from "../releases/architecture.ts";
import type { MachineImage } from "../releases/driver.ts";
import { diskOf, IMAGE_GIB } from "../templates/compute/disks.ts";
import type { Answer, Preflight } from "./question.ts";

interface Kind {
  type: string;
  /** Of builders: what they are where the account's plan does not have that type. */
  freeType?: string;
  gib: number;
}

export async function askMachines({ context, standing }: Preflight): Promise<Answer> {
  const outputs = outputsOf(context.deployment, standing.values());
  const kinds = kindsOf(context);
  const answers = await Promise.all([...kinds].map(([architecture, own]) => askArchitecture(context, { outputs, architecture, kinds: own })));
  return {
    asked:
      [...kinds.values()]
        .flat()
        .map(({ type, gib }) => `${type} with ${gib} GB`)
        .join(", ") || "no service runs on a machine",
    findings: answers.flatMap(({ findings }) => findings),
    unasked: [...new Set(answers.flatMap(({ unasked }) => unasked))],
  };
}

/** By processor: what services run on, and what makes their images. */
function kindsOf({ deployment }: Context): Map<Architecture, Kind[]> {
  const kinds = new Map<Architecture, Kind[]>();
  for (const service of Object.values(onMachines(deployment)))
    for (const type of service.machine.types) {
      const architecture = architectureOf(type);
      const own = kinds.get(architecture) ?? [{ type: BUILDER_TYPES[architecture], freeType: FREE_BUILDER_TYPES[architecture], gib: IMAGE_GIB }];
      const gib = diskOf(service);
      kinds.set(architecture, own.some((kind) => kind.type === type && kind.gib === gib) ? own : [...own, { type, gib }]);
    }
  return kinds;
}

interface Question {
  outputs: ReturnType<typeof outputsOf>;
  architecture: Architecture;
  kinds: Kind[];
}

async function askArchitecture(context: Context, { outputs, architecture, kinds }: Question): Promise<Pick<Answer, "findings" | "unasked">> {
  let image: MachineImage;
  try {
    image = await findBase(context, architecture);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof LandfallError) throw error;
    return { findings: [{ what: `Debian's image for ${architecture} is not found in this region`, why: error.message }], unasked: [] };
  }
  const subnet = outputs.find("network", "InstanceSubnets")?.split(",")[0];
  const answers = await Promise.all(kinds.map((kind) => tryMachine(context, kind, { image, subnet })));
  return { findings: answers.flatMap(({ finding }) => finding ?? []), unasked: answers.flatMap(({ unasked }) => unasked ?? []) };
}

/** What a dry run says: it always fails, and DryRunOperation is the failure of one that would have succeeded. */
async function tryMachine(
  context: Context,
  { type, freeType, gib }: Kind,
  place: { image: MachineImage; subnet: string | undefined },
): Promise<{ finding?: PreflightFinding; unasked?: string }> {
  const { image, subnet } = place;
  const later = {
    unasked: "machines are tried again once the environment's network stands: this account has no network of its own that they may be tried in",
  };
  try {
    await (await context.clients.ec2()).runInstances({
      DryRun: true,
      MinCount: 1,
      MaxCount: 1,
      ImageId: image.id,
      InstanceType: type as RunInstancesRequest["InstanceType"],
      SubnetId: subnet,
      BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { VolumeSize: Math.max(gib, image.gib), VolumeType: "gp3", Encrypted: true } }],
      TagSpecifications: (["instance", "volume", "network-interface"] as const).map((ResourceType) => ({
        ResourceType,
        Tags: [{ Key: "landfall:app", Value: context.deployment.app }],
      })),
    });
    return {};
  } catch (error) {
    if (!(error instanceof Error) || error.name === "DryRunOperation") return {};
    if (freeType !== undefined && NOT_ON_FREE_PLAN.test(error.message)) return tryMachine(context, { type: freeType, gib }, place);
    // The policies allow machines in the environment's own network only, and not everybody has another one.
    if (subnet === undefined && ((error instanceof LandfallError && error.code === "AWS_ACCESS_DENIED") || error.name === "VPCIdNotSpecified"))
      return later;
    if (error instanceof LandfallError && !["AWS_ACCESS_DENIED", "AWS_QUOTA"].includes(error.code)) throw error;
    const why = error instanceof LandfallError ? (error.parts.why ?? error.message) : `${error.name}: ${error.message}`;
    return { finding: { what: `no ${type} with a disk of ${gib} GB can be started`, why: [why, meaningOf(why)].filter(Boolean).join("\n") } };
  }
}
