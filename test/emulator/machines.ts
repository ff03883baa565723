// Plays the machines of errands: what they would report, they report. The emulator's own instances do nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { EC2 } from "@aws-sdk/client-ec2";
import { S3 } from "@aws-sdk/client-s3";
import type { ErrandResult } from "../../src/machine/index.ts";

export interface Errand {
  kind: string;
  /** `bake-<hash>-<architecture>`. */
  name: string;
  id: string;
  instance: string;
}

export interface Machines {
  /** Those that were started, in order. */
  errands: Errand[];
  stop(): Promise<void>;
}

/** How an errand ends; undefined for a machine that never says anything. */
export type Play = (errand: Errand) => Partial<ErrandResult> | undefined;

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
  const errands: Errand[] = [];
  let running = true;
  const look = async () => {
    const { Reservations = [] } = await ec2.describeInstances({
      Filters: [
        { Name: "tag-key", Values: ["landfall:errand"] },
        { Name: "instance-state-name", Values: ["running"] },
      ],
    });
    for (const { InstanceId: instance = "", Tags = [] } of Reservations.flatMap(({ Instances = [] }) => Instances)) {
      const tag = (key: string) => Tags.find(({ Key }) => Key === key)?.Value ?? "";
      const errand = { instance, id: tag("landfall:errand-id"), name: tag("landfall:errand"), kind: tag("landfall:errand").split("-")[0] as string };
      if (errands.some(({ id }) => id === errand.id)) continue;
      errands.push(errand);
      const result = play(errand);
      if (!result) continue;
      const { Buckets = [] } = await s3.listBuckets({});
      const Bucket = Buckets.find(({ Name }) => Name?.includes("artifacts"))?.Name;
      const tail = result.tail ?? [`${errand.kind} is done`];
      await s3.putObject({ Bucket, Key: `reports/${errand.id}/output.txt`, Body: `== ${errand.kind}\n${tail.join("\n")}\n` });
      const whole: ErrandResult = { ok: true, step: "done", code: 0, ...(errand.kind === "build" ? { sha256: DIGEST } : {}), ...result, tail };
      await s3.putObject({ Bucket, Key: `reports/${errand.id}/result.json`, Body: JSON.stringify(whole) });
      // It switches itself off: what makes an image only stands still then.
      await (errand.kind === "bake" ? ec2.stopInstances({ InstanceIds: [instance] }) : ec2.terminateInstances({ InstanceIds: [instance] }));
    }
  };
  const looking = (async () => {
    while (running) {
      await look();
      await sleep(50);
    }
  })();
  return {
    errands,
    async stop() {
      running = false;
      await looking;
    },
  };
}
