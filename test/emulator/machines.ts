// Plays the machines of one-off tasks: what they would report, they report. The emulator's own instances do nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { EC2 } from "@aws-sdk/client-ec2";
import { S3 } from "@aws-sdk/client-s3";
import type { TaskResult } from "../../src/machine/index.ts";

export interface OneOffTask {
  kind: string;
  /** `bake-<hash>-<architecture>`. */
  name: string;
  id: string;
  instance: string;
}

export interface Machines {
  /** Those that were started, in order. */
  tasks: OneOffTask[];
  stop(): Promise<void>;
}

/** How a task ends; undefined for a machine that never says anything. */
export type Play = (task: OneOffTask) => Partial<TaskResult> | undefined;

const DIGEST = "0".repeat(64);

/** Until it is stopped. Asks the emulator itself, and not the fault proxy before it, so that its calls count for nothing. */
export function playMachines(account: string, port: number, play: Play = () => ({})): Machines {
  const settings = {
    endpoint: `http://127.0.0.1:${port}`,
    region: "eu-central-1",
    credentials: { accessKeyId: account, secretAccessKey: "emulated" },
  };
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
  const [ec2, s3] = [new EC2(settings), new S3(settings)];
  const tasks: OneOffTask[] = [];
  let running = true;
  const look = async () => {
    const { Reservations = [] } = await ec2.describeInstances({
      Filters: [
        { Name: "tag-key", Values: ["landfall:task"] },
        { Name: "instance-state-name", Values: ["running"] },
      ],
    });
    for (const { InstanceId: instance = "", Tags = [] } of Reservations.flatMap(({ Instances = [] }) => Instances)) {
      const tag = (key: string) => Tags.find(({ Key }) => Key === key)?.Value ?? "";
      const task = { instance, id: tag("landfall:task-id"), name: tag("landfall:task"), kind: tag("landfall:task").split("-")[0] as string };
      if (tasks.some(({ id }) => id === task.id)) continue;
      tasks.push(task);
      const result = play(task);
      if (!result) continue;
      const { Buckets = [] } = await s3.listBuckets({});
      const Bucket = Buckets.find(({ Name }) => Name?.includes("artifacts"))?.Name;
      const tail = result.tail ?? [`${task.kind} is done`];
      await s3.putObject({ Bucket, Key: `reports/${task.id}/output.txt`, Body: `== ${task.kind}\n${tail.join("\n")}\n` });
      const whole: TaskResult = { ok: true, step: "done", code: 0, ...(task.kind === "build" ? { sha256: DIGEST } : {}), ...result, tail };
      await s3.putObject({ Bucket, Key: `reports/${task.id}/result.json`, Body: JSON.stringify(whole) });
      // It switches itself off: what makes an image only stands still then.
      await (task.kind === "bake" ? ec2.stopInstances({ InstanceIds: [instance] }) : ec2.terminateInstances({ InstanceIds: [instance] }));
    }
  };
  const looking = (async () => {
    while (running) {
      await look();
      await sleep(50);
    }
  })();
  return {
    tasks,
    async stop() {
      running = false;
      await looking;
    },
  };
}
