// Two operations on one environment of AWS, whose bucket and clock are ours: what one may still do once the other has taken its lease.
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, it } from "vitest";
import { LandfallError } from "../../../src/error.ts";
import type { Progress } from "../../../src/progress.ts";
import type { Context } from "../../../src/targets/aws/context.ts";
import { leased } from "../../../src/targets/aws/lease.ts";
import { accountFleets } from "../../../src/targets/aws/releases/account/fleets.ts";
import { performStages } from "../../../src/targets/aws/rollout/perform.ts";

let now: number;
let changes: string[];
let objects: Map<string, { Body: string; ETag: string }>;
/** Set to keep the bucket from answering. */
let outage: Error | undefined;

beforeEach(() => {
  now = Date.UTC(2026, 10, 29);
  changes = [];
  objects = new Map();
  outage = undefined;
});

const failure = (name: string) => Object.assign(new Error(name), { name });

interface Put {
  Key: string;
  Body: string;
  IfMatch?: string;
  IfNoneMatch?: string;
}

/** A bucket with conditional writes, as S3 has them. */
const s3 = {
  async getObject({ Key }: { Key: string }) {
    if (outage) throw outage;
    const object = objects.get(Key);
    if (!object) throw failure("NoSuchKey");
    return { Body: { transformToString: async () => object.Body }, ETag: object.ETag };
  },
  async putObject({ Key, Body, IfMatch, IfNoneMatch }: Put) {
    if (outage) throw outage;
    const object = objects.get(Key);
    if (IfMatch !== undefined && !object) throw failure("NoSuchKey");
    if ((IfMatch !== undefined && object?.ETag !== IfMatch) || (IfNoneMatch && object)) throw failure("PreconditionFailed");
    const ETag = `"${objects.size}-${Math.random()}"`;
    objects.set(Key, { Body, ETag });
    return { ETag };
  },
};

const shared = {
  StackName: "shop-shared",
  StackStatus: "CREATE_COMPLETE",
  CreationTime: new Date(0),
  Outputs: [{ OutputKey: "ArtifactsBucket", OutputValue: "artifacts" }],
  Tags: [{ Key: "landfall:app", Value: "shop" }],
};

const cloudFormation = {
  describeStacks: async () => ({ Stacks: [shared] }),
  deleteStack: async ({ StackName }: { StackName: string }) => void changes.push(StackName),
};

const makeContext = (): Context =>
  ({
    deployment: { app: "shop", environment: "production", services: {}, settings: {} },
    clients: { s3: async () => s3, cloudFormation: async () => cloudFormation },
    clock: { now: () => now, sleep },
    emit: () => {},
  }) as unknown as Context;

const change = async ({ clients }: Context, what: string) => (await clients.cloudFormation()).deleteStack({ StackName: what });

/** An operation that changes one thing, does nothing for so long, and goes on. */
const stall = (stalledMs: number, meanwhile: () => Promise<unknown>) =>
  leased(makeContext(), "deploy", async (context) => {
    await change(context, "first of the one that stalls");
    now += stalledMs;
    await meanwhile();
    await change(context, "second of the one that stalls");
  });

const takeOver = () => leased(makeContext(), "rollback", (context) => change(context, "of the other"));

it("ends an operation that another has taken the environment from, before it changes anything more", async () => {
  await expect(stall(91_000, takeOver)).rejects.toMatchObject({
    code: "LEASE_LOST",
    message: '"deploy" did nothing for more than 90 s, and lost its lease on this environment',
  });
  expect(changes).toEqual(["first of the one that stalls", "of the other"]);
});

it("lets the other do its work undisturbed to its end", async () => {
  const other = leased(makeContext(), "deploy", async (context) => {
    await change(context, "first of the one that stalls");
    now += 91_000;
    await leased(makeContext(), "rollback", async (taken) => {
      await expect(change(context, "second of the one that stalls")).rejects.toMatchObject({ code: "LEASE_LOST" });
      await change(taken, "of the other");
    });
  });
  await other;
  expect(changes).toEqual(["first of the one that stalls", "of the other"]);
  expect(JSON.parse(objects.get("leases/production.json")?.Body ?? "")).toMatchObject({ operation: "rollback", endedAt: now });
});

it("lets an operation go on that stalled while nobody wanted the environment", async () => {
  await stall(600_000, async () => {});
  expect(changes).toEqual(["first of the one that stalls", "second of the one that stalls"]);
});

it("changes nothing while it cannot be known who holds the environment", async () => {
  const unreachable = failure("TimeoutError");
  await expect(
    stall(60_000, async () => {
      outage = unreachable;
    }),
  ).rejects.toBe(unreachable);
  expect(changes).toEqual(["first of the one that stalls"]);
});

it("goes on when the bucket of the leases has gone with what was removed", async () => {
  await stall(600_000, async () => objects.clear());
  expect(changes).toEqual(["first of the one that stalls", "second of the one that stalls"]);
});

it("does not go back from a stage when the lease is lost: that is the other's to decide", async () => {
  const notes: string[] = [];
  const lost = new LandfallError({ code: "LEASE_LOST", what: "the lease is lost", standing: "" });
  const context = {
    ...makeContext(),
    clients: { cloudFormation: () => Promise.reject(lost) },
    emit: (progress: Progress) => void ("text" in progress && notes.push(progress.text)),
  } as unknown as Context;
  const performing = { ...context, driver: { fleets: accountFleets(context) } };
  await expect(performStages(performing, [{ kind: "healthy", text: "healthy", fleets: [] }], { before: { running: {} } })).rejects.toBe(lost);
  expect(notes).not.toContain("going back to what ran before");
});
