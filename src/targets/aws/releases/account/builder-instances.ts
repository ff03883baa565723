// The machines of one-off tasks in an account: builder instances, and those of a release phase with the rights of a service.
import type { Instance, RunInstancesRequest } from "@aws-sdk/client-ec2";
import { isUnknown, onceKnown } from "../../account/known.ts";
import type { Context } from "../../context.ts";
import type { EnvironmentOutputs } from "../../environment-outputs.ts";
import { beyondLimit } from "../../templates/shared/quotas.ts";
import { USER_DATA_MAX } from "../../templates/shared/template-limits.ts";
import type { MachineState, OneOffTask, TaskDriver, TaskMachine, TaskStart } from "../driver.ts";
import { observeMachine, readConsole } from "./instances.ts";
import { findBase } from "./machine-images.ts";
import { type Machine, machineFor, NOT_ON_FREE_PLAN } from "./placement.ts";

export const TASK_TAG = "landfall:task";
const ID_TAG = "landfall:task-id";
/** EC2 may not know yet what was just made: its profile, its image, where it goes. */
const LOOKS = 5;
const PAUSE_MS = 3_000;

export const builderInstances = (context: Context, outputs: EnvironmentOutputs): TaskDriver => ({
  find: (name) => findMachine(context, name),
  start: async (task, start) => {
    const image = task.image ?? (await findBase(context, task.architecture));
    return startMachine(context, task, { ...start, machine: machineFor(context, outputs, task, image) });
  },
  observe: async (machine) => describeState(await observeMachine(context, machine)),
  lastLines: ({ instance }) => readConsole(context, instance),
  end: (machine) => endMachine(context, machine),
});

async function findMachine({ clients, deployment: { app } }: Context, name: string): Promise<TaskMachine | undefined> {
  const { Reservations = [] } = await (await clients.ec2()).describeInstances({
    Filters: [
      { Name: "tag:landfall:app", Values: [app] },
      { Name: `tag:${TASK_TAG}`, Values: [name] },
      { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] },
    ],
  });
  const machine = Reservations.flatMap(({ Instances = [] }) => Instances)[0];
  const id = machine?.Tags?.find(({ Key }) => Key === ID_TAG)?.Value;
  return machine?.InstanceId && id ? { id, instance: machine.InstanceId } : undefined;
}

async function startMachine(
  { clients, deployment: { app }, clock, signal }: Context,
  task: OneOffTask,
  start: TaskStart & { machine: Machine },
): Promise<TaskMachine> {
  assertToldWhole(task, start);
  let request = requestFor(app, task, start);
  const ec2 = await clients.ec2();
  for (let attempt = 1; ; attempt++) {
    try {
      const { Instances = [] } = await ec2.runInstances(request);
      return { id: start.id, instance: Instances[0]?.InstanceId ?? "" };
    } catch (error) {
      if (attempt > LOOKS || !(error instanceof Error)) throw error;
      const { freeType, ...machine } = start.machine;
      if (freeType !== undefined && request.InstanceType !== freeType && NOT_ON_FREE_PLAN.test(error.message)) {
        request = requestFor(app, task, { ...start, machine: { ...machine, type: freeType } });
        continue;
      }
      if (!isUnknown(error) && !/Invalid IAM Instance Profile/i.test(error.message)) throw error;
      await clock.sleep(PAUSE_MS, signal);
    }
  }
}

/** What a task is to do comes with its machine, and cannot come in parts. Errors: AWS_LIMIT. */
function assertToldWhole({ work: { kind } }: OneOffTask, { userData }: TaskStart): void {
  const count = Buffer.byteLength(userData);
  const next = "shorten the commands of the configuration: put them into a file of the app, and run that";
  if (count > USER_DATA_MAX)
    throw beyondLimit({ where: `the machine of task "${kind}"`, what: "bytes of user data", count, limit: USER_DATA_MAX, next });
}

function requestFor(
  app: string,
  { work: { kind }, tags }: OneOffTask,
  { id, name, userData, machine }: TaskStart & { machine: Machine },
): RunInstancesRequest {
  const own = { "landfall:app": app, ...tags, Name: `${app}-${kind}`, [TASK_TAG]: name, [ID_TAG]: id };
  const Tags = Object.entries(own).map(([Key, Value]) => ({ Key, Value }));
  return {
    // Another type is another request.
    ClientToken: `${id}-${machine.type}`.slice(-64),
    MinCount: 1,
    MaxCount: 1,
    ImageId: machine.image.id,
    InstanceType: machine.type as RunInstancesRequest["InstanceType"],
    IamInstanceProfile: machine.profile,
    // What makes an image has to stand still for it; all else is gone once it has ended.
    InstanceInitiatedShutdownBehavior: kind === "bake" ? "stop" : "terminate",
    MetadataOptions: { HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: 1, InstanceMetadataTags: "enabled" },
    BlockDeviceMappings: [
      {
        DeviceName: "/dev/xvda",
        Ebs: {
          VolumeSize: Math.max(machine.diskGib, machine.image.gib),
          VolumeType: "gp3",
          Encrypted: true,
          DeleteOnTermination: true,
        },
      },
    ],
    NetworkInterfaces: [
      {
        DeviceIndex: 0,
        SubnetId: machine.subnet,
        Groups: machine.securityGroups,
        AssociatePublicIpAddress: machine.publicAddress,
        DeleteOnTermination: true,
      },
    ],
    UserData: Buffer.from(userData).toString("base64"),
    TagSpecifications: (["instance", "volume", "network-interface"] as const).map((ResourceType) => ({ ResourceType, Tags })),
  };
}

function describeState(machine: Instance | undefined): MachineState {
  const word = machine?.State?.Name ?? "gone";
  if (!machine) return { is: "unknown", word };
  return { is: /^(stopped|stopping|shutting-down|terminated)$/.test(word) ? "off" : "on", word };
}

/** One that EC2 does not know yet would run on, so that it is asked until it does, whoever interrupts. What it never comes to know is gone. */
async function endMachine({ clients, clock }: Context, { instance }: TaskMachine): Promise<void> {
  const ec2 = await clients.ec2();
  try {
    await onceKnown({ clock }, () => ec2.terminateInstances({ InstanceIds: [instance] }));
  } catch (error) {
    if (!isUnknown(error)) throw error;
  }
}
