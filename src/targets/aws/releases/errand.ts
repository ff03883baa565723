// Errands: what a machine of its own does for minutes: making an image, building a release, running a release phase. The machine reports
// into the artifact bucket and ends itself by its own clock; we watch, pass its output on, and end it in any case. Killed meanwhile, the
// next run finds the machine by its tag and goes on watching.
import { randomUUID } from "node:crypto";
import type { Instance, RunInstancesRequest } from "@aws-sdk/client-ec2";
import { describeDuration } from "../../../config/units.ts";
import { LandfallError } from "../../../error.ts";
import { pollEvery } from "../cloudformation/poll.ts";
import type { Context } from "../context.ts";
import { findObject } from "./objects.ts";

export const ERRAND_TAG = "landfall:errand";
const ID_TAG = "landfall:errand-id";
/** A machine that was asked for and is not there after this time was lost. */
const BOOT_MS = 10 * 60_000;
/** EC2 may not know a machine yet that it has just started, nor a profile that was just made. */
const KNOWN_AFTER_MS = 60_000;
const PROFILE_LOOKS = 5;
const PROFILE_PAUSE_MS = 3_000;

export interface Machine {
  image: string;
  type: string;
  /** The ARN or the name of its instance profile. */
  profile: { Arn: string } | { Name: string };
  subnet: string;
  securityGroups: string[];
  publicAddress: boolean;
  diskGib: number;
}

export interface ErrandInput {
  kind: "bake" | "build" | "phase";
  /** What it is about, the same each time it is tried: `bake-<hash>` is one errand. */
  about: string;
  /** The step of the progress that its output belongs to. */
  step: string;
  bucket: string;
  machine: Machine;
  /** The user data, given the errand's id: reports go to `reports/<id>/`. */
  script: (id: string) => string;
  timeoutMs: number;
  tags: Record<string, string>;
}

/** How it went, in the machine's own words. */
export interface ErrandReport {
  ok: boolean;
  /** The step that failed. */
  step?: string;
  code?: number;
  /** The last lines of its output. */
  tail: string[];
  /** Of a build: the archive that it uploaded. */
  sha256?: string;
}

export interface Errand {
  id: string;
  instance: string;
}

/**
 * Runs an errand, or goes on with the one of the same name that is under way, and gives its report to `use` while its machine still
 * stands. The machine is gone when this returns or throws. Errors: ERRAND_LOST when the machine ended without a report, INTERRUPTED, AWS_*.
 */
export async function runErrand<T>(context: Context, input: ErrandInput, use: (report: ErrandReport, errand: Errand) => Promise<T>): Promise<T> {
  const errand = (await findErrand(context, input)) ?? (await startMachine(context, input));
  try {
    return await use(await watch(context, input, errand), errand);
  } finally {
    await endMachine(context, errand);
  }
}

/** Ends what a run that was killed left of an errand. */
export async function endErrands(context: Context, input: Pick<ErrandInput, "kind" | "about">): Promise<void> {
  for (let found = await findErrand(context, input); found; found = await findErrand(context, input)) await endMachine(context, found);
}

const nameOf = ({ kind, about }: Pick<ErrandInput, "kind" | "about">) => `${kind}-${about}`;

async function findErrand({ clients, app: { app } }: Context, input: Pick<ErrandInput, "kind" | "about">): Promise<Errand | undefined> {
  const { Reservations = [] } = await (await clients.ec2()).describeInstances({
    Filters: [
      { Name: "tag:landfall:app", Values: [app.name] },
      { Name: `tag:${ERRAND_TAG}`, Values: [nameOf(input)] },
      { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] },
    ],
  });
  const found = Reservations.flatMap(({ Instances = [] }) => Instances)[0];
  const id = found?.Tags?.find(({ Key }) => Key === ID_TAG)?.Value;
  return found?.InstanceId && id ? { id, instance: found.InstanceId } : undefined;
}

async function startMachine({ clients, app: { app }, emit, clock, signal }: Context, input: ErrandInput): Promise<Errand> {
  const { machine, tags, kind } = input;
  const id = `${nameOf(input)}-${randomUUID().slice(0, 8)}`;
  const own = { "landfall:app": app.name, ...tags, Name: `${app.name}-${kind}`, [ERRAND_TAG]: nameOf(input), [ID_TAG]: id };
  const Tags = Object.entries(own).map(([Key, Value]) => ({ Key, Value }));
  const request: RunInstancesRequest = {
    ClientToken: id.slice(-64),
    MinCount: 1,
    MaxCount: 1,
    ImageId: machine.image,
    InstanceType: machine.type as RunInstancesRequest["InstanceType"],
    IamInstanceProfile: machine.profile,
    // What makes an image has to stand still for it; all else is gone once it has ended.
    InstanceInitiatedShutdownBehavior: kind === "bake" ? "stop" : "terminate",
    MetadataOptions: { HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: 1, InstanceMetadataTags: "enabled" },
    BlockDeviceMappings: [
      { DeviceName: "/dev/xvda", Ebs: { VolumeSize: machine.diskGib, VolumeType: "gp3", Encrypted: true, DeleteOnTermination: true } },
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
    UserData: Buffer.from(input.script(id)).toString("base64"),
    TagSpecifications: (["instance", "volume", "network-interface"] as const).map((ResourceType) => ({ ResourceType, Tags })),
  };
  const ec2 = await clients.ec2();
  for (let attempt = 1; ; attempt++) {
    try {
      const { Instances = [] } = await ec2.runInstances(request);
      const instance = Instances[0]?.InstanceId ?? "";
      emit({ type: "output", step: input.step, line: `machine ${instance} (${machine.type}) starts` });
      return { id, instance };
    } catch (error) {
      if (attempt > PROFILE_LOOKS || !(error instanceof Error) || !/Invalid IAM Instance Profile/i.test(error.message)) throw error;
      await clock.sleep(PROFILE_PAUSE_MS, signal);
    }
  }
}

async function watch(context: Context, input: ErrandInput, errand: Errand): Promise<ErrandReport> {
  const { clock, emit } = context;
  const from = clock.now();
  const until = from + BOOT_MS + input.timeoutMs;
  let shown = 0;
  const show = async () => {
    const output = (await findObject(context, input.bucket, `reports/${errand.id}/output.txt`)) ?? "";
    // A line that is still being written is shown once it is whole.
    const end = output.lastIndexOf("\n") + 1;
    for (const line of output.slice(shown, Math.max(shown, end)).split("\n")) if (line) emit({ type: "output", step: input.step, line });
    shown = Math.max(shown, end);
  };
  for await (const _ of pollEvery(context)) {
    // Looked at before the report: what ended has written its report by then.
    const machine = await observeMachine(context, errand);
    await show();
    const report = await findObject(context, input.bucket, `reports/${errand.id}/result.json`);
    if (report !== undefined) return parseReport(report);
    if (machine ? hasEnded(machine) : clock.now() - from > KNOWN_AFTER_MS)
      throw await lost(context, input, errand, `the machine is ${machine?.State?.Name ?? "gone"}`);
    if (clock.now() > until) throw await lost(context, input, errand, `nothing was heard of it for ${describeDuration(BOOT_MS + input.timeoutMs)}`);
  }
  throw new TypeError("polling ended by itself");
}

function parseReport(text: string): ErrandReport {
  const { ok, step, code, tail, sha256 } = JSON.parse(text) as Partial<ErrandReport>;
  return {
    ok: ok === true,
    tail: (tail ?? []).map(String),
    ...(step === undefined ? {} : { step }),
    ...(code === undefined ? {} : { code }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
}

const hasEnded = (machine: Instance) => /^(stopped|stopping|shutting-down|terminated)$/.test(machine.State?.Name ?? "");

export async function observeMachine({ clients }: Context, { instance }: Errand): Promise<Instance | undefined> {
  try {
    const { Reservations = [] } = await (await clients.ec2()).describeInstances({ InstanceIds: [instance] });
    return Reservations.flatMap(({ Instances = [] }) => Instances)[0];
  } catch (error) {
    if (error instanceof Error && error.name === "InvalidInstanceID.NotFound") return undefined;
    throw error;
  }
}

async function endMachine({ clients }: Context, { instance }: Errand): Promise<void> {
  try {
    await (await clients.ec2()).terminateInstances({ InstanceIds: [instance] });
  } catch (error) {
    if (!(error instanceof Error && error.name === "InvalidInstanceID.NotFound")) throw error;
  }
}

const CONSOLE_LINES = 12;

async function lost(context: Context, { kind }: ErrandInput, { instance }: Errand, how: string): Promise<LandfallError> {
  const said = await readConsole(context, instance);
  return new LandfallError({
    code: "ERRAND_LOST",
    what: `machine "${instance}" ended its errand "${kind}" without a report`,
    why: how,
    evidence: said.map((line, index): [string, string] => [index === 0 ? "console" : "", line]),
    standing: "The machine is terminated. What serves goes on serving.",
    next: "run the command again",
  });
}

/** The last lines of a machine's console; AWS has them some minutes late, and not of every machine. */
export async function readConsole({ clients }: Context, instance: string): Promise<string[]> {
  try {
    const { Output = "" } = await (await clients.ec2()).getConsoleOutput({ InstanceId: instance, Latest: true });
    return Buffer.from(Output, "base64").toString("utf8").split(/\r?\n/).filter(Boolean).slice(-CONSOLE_LINES);
  } catch {
    return [];
  }
}
