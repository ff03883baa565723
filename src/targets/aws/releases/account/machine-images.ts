// Machine images in an account: found again by their tags, and shared by every environment of the app in the region.
import type { Image } from "@aws-sdk/client-ec2";
import { LandfallError } from "../../../../error.ts";
import { isUnknown, KNOWN_AFTER_MS, onceKnown } from "../../account/known.ts";
import { pollEvery } from "../../account/poll.ts";
import type { Context } from "../../context.ts";
import { IMAGE_GIB } from "../../templates/compute/disks.ts";
import type { Architecture } from "../architecture.ts";
import type { ImageDriver, ImageName, MachineImage, TaskMachine } from "../driver.ts";
import { observeMachine } from "./instances.ts";

const IMAGE_TAG = "landfall:image";
const ARCHITECTURE_TAG = "landfall:architecture";
/** AWS's own record of the newest Debian 13 of each architecture. */
const baseParameter = (architecture: Architecture) => `/aws/service/debian/release/13/latest/${architecture}`;

export const machineImages = (context: Context): ImageDriver => ({
  find: async (name) => {
    const image = await findImage(context, name);
    return image && { image: readImage(image), ready: image.State === "available" };
  },
  keep: async (machine, name) => {
    await standStill(context, machine);
    return createImage(context, machine, name);
  },
  wait: async (id) => readImage(await waitAvailable(context, id)),
});

/** Debian's own image: its disk may be larger than those that images are made on. */
export async function findBase({ clients }: Context, architecture: Architecture): Promise<MachineImage> {
  const { Parameter } = await (await clients.ssm()).getParameter({ Name: baseParameter(architecture) });
  const { Images = [] } = await (await clients.ec2()).describeImages({ ImageIds: [Parameter?.Value ?? ""] });
  return readImage(Images[0] ?? { ImageId: Parameter?.Value });
}

/** With the size of its disk, which is the size of its snapshot unless whoever made it asked for more. */
const readImage = ({ ImageId = "", RootDeviceName, BlockDeviceMappings = [] }: Image): MachineImage => ({
  id: ImageId,
  gib: BlockDeviceMappings.find(({ DeviceName }) => DeviceName === RootDeviceName)?.Ebs?.VolumeSize ?? IMAGE_GIB,
});

async function findImage({ clients, deployment: { app } }: Context, { hash, architecture }: ImageName): Promise<Image | undefined> {
  const { Images = [] } = await (await clients.ec2()).describeImages({
    Owners: ["self"],
    Filters: [
      { Name: "tag:landfall:app", Values: [app] },
      { Name: `tag:${IMAGE_TAG}`, Values: [hash] },
      { Name: `tag:${ARCHITECTURE_TAG}`, Values: [architecture] },
    ],
  });
  return Images.find(({ State }) => State === "available") ?? Images.find(({ State }) => State === "pending");
}

/** An image of a running machine would hold files half written. */
async function standStill(context: Context, machine: TaskMachine): Promise<void> {
  const ec2 = await context.clients.ec2();
  await onceKnown(context, () => ec2.stopInstances({ InstanceIds: [machine.instance] }));
  for await (const _ of pollEvery(context)) if ((await observeMachine(context, machine))?.State?.Name === "stopped") return;
}

async function createImage(context: Context, { instance }: TaskMachine, { hash, architecture }: ImageName): Promise<string> {
  const { clients, deployment } = context;
  const { app } = deployment;
  // A name is unique in an account and region: the same image is never made twice.
  const name = `landfall-${app}-${hash}-${architecture}`;
  const Tags = Object.entries({
    Name: `${app} ${hash}`,
    "landfall:app": app,
    [IMAGE_TAG]: hash,
    [ARCHITECTURE_TAG]: architecture,
  }).map(([Key, Value]) => ({ Key, Value }));
  try {
    const { ImageId = "" } = await (await clients.ec2()).createImage({
      InstanceId: instance,
      Name: name,
      Description: `Made by Landfall for ${app}`,
      NoReboot: true,
      TagSpecifications: (["image", "snapshot"] as const).map((ResourceType) => ({ ResourceType, Tags })),
    });
    return ImageId;
  } catch (error) {
    if (!(error instanceof Error && error.name === "InvalidAMIName.Duplicate")) throw error;
    return findByName(context, name, error);
  }
}

/** Of an image that was made meanwhile, or that EC2 did not list yet when it was looked for. Rejects with `refusal` where there is none all the same. */
async function findByName(context: Context, name: string, refusal: Error): Promise<string> {
  const from = context.clock.now();
  const ec2 = await context.clients.ec2();
  for await (const _ of pollEvery(context)) {
    const { Images = [] } = await ec2.describeImages({ Owners: ["self"], Filters: [{ Name: "name", Values: [name] }] });
    if (Images[0]?.ImageId) return Images[0].ImageId;
    if (context.clock.now() - from > KNOWN_AFTER_MS) break;
  }
  throw refusal;
}

async function waitAvailable(context: Context, id: string): Promise<Image> {
  const ec2 = await context.clients.ec2();
  for await (const _ of pollEvery(context)) {
    const { Images = [] } = await ec2.describeImages({ ImageIds: [id] }).catch((error: unknown) => {
      // EC2 may not know yet what it has just begun to make.
      if (isUnknown(error)) return { Images: [] };
      throw error;
    });
    const image = Images[0] ?? {};
    const { State, StateReason } = image;
    if (State === "available") return image;
    if (State === "pending" || State === undefined) continue;
    await ec2.deregisterImage({ ImageId: id });
    throw new LandfallError({
      code: "AWS_FAILED",
      what: `AWS could not make the image "${id}"`,
      why: StateReason?.Message ?? `it is ${State}`,
      standing: "It is removed again. The live release is not affected.",
      next: "run the command again later",
    });
  }
  throw new TypeError("polling ended by itself");
}
