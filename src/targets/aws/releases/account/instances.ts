// What EC2 says of one machine.
import type { Instance } from "@aws-sdk/client-ec2";
import { isUnknown } from "../../account/known.ts";
import type { Context } from "../../context.ts";
import type { TaskMachine } from "../driver.ts";

const CONSOLE_LINES = 12;

/** Undefined when EC2 does not know it: not yet, or not any more. */
export async function observeMachine({ clients }: Context, { instance }: TaskMachine): Promise<Instance | undefined> {
  try {
    const { Reservations = [] } = await (await clients.ec2()).describeInstances({ InstanceIds: [instance] });
    return Reservations.flatMap(({ Instances = [] }) => Instances)[0];
  } catch (error) {
    if (isUnknown(error)) return undefined;
    throw error;
  }
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
