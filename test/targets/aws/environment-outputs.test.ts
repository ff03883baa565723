// What a deploy needs of an environment's stacks, before it changes anything.
import { expect, it } from "vitest";
import type { AppInput } from "../../../src/config/schema.ts";
import type { Context } from "../../../src/targets/aws/context.ts";
import { loadEnvironmentOutputs } from "../../../src/targets/aws/environment-outputs.ts";
import { digestOfGiven } from "../../../src/targets/aws/templates/shared/given.ts";
import { production, SMALL } from "./templates/apps.ts";

const stack = (name: string, outputs: Record<string, string>, service?: string) => ({
  StackName: name,
  StackId: name,
  StackStatus: "CREATE_COMPLETE",
  CreationTime: new Date(0),
  Outputs: Object.entries(outputs).map(([OutputKey, OutputValue]) => ({ OutputKey, OutputValue })),
  Tags: [
    { Key: "landfall:app", Value: "hello" },
    { Key: "landfall:environment", Value: "production" },
    ...(service ? [{ Key: "landfall:service", Value: service }] : []),
  ],
});

const load = (resources: AppInput["resources"], data: Record<string, string>, web: Record<string, string> = {}) => {
  const Stacks = [
    stack("hello-shared", { ArtifactsBucket: "artifacts" }),
    stack("hello-production-network", {}),
    stack("hello-production-service-web", web, "web"),
    stack("hello-production-data", data),
  ];
  const clients = { cloudFormation: async () => ({ paginateDescribeStacks: () => [{ Stacks }] }) };
  return loadEnvironmentOutputs({ deployment: production({ ...SMALL, resources }), clients } as unknown as Context);
};

it("are there, resources by URL apart, or the environment is to be commissioned first", async () => {
  const jobs = { type: "queue" } as const;
  const database = { type: "postgres", url: "postgres://app@db.example.com/app" } as const;
  expect((await load({ jobs, database }, { JobsQueueUrl: "https://sqs/jobs" })).find("data", "jobs", "QueueUrl")).toBe("https://sqs/jobs");
  await expect(load({ jobs, uploads: { type: "bucket" } }, { JobsQueueUrl: "https://sqs/jobs" })).rejects.toMatchObject({
    code: "ENVIRONMENT_NOT_COMMISSIONED",
    parts: {
      evidence: [["resource uploads", "does not stand yet"]],
      why: "A deploy brings a release to the resources that stand, and changes none of them.",
      standing: "Nothing was changed.",
      next: "landfall commission production",
    },
  });
});

it("are refused while what serves was started with other resources than the file has", async () => {
  const [jobs, database] = [{ type: "queue" }, { type: "postgres", url: "postgres://app:one@db.example.com/app" }] as const;
  const data = { JobsQueueUrl: "https://sqs/jobs" };
  const web = { WebResources: digestOfGiven(production({ ...SMALL, resources: { jobs, database } })) };
  expect((await load({ database, jobs }, data, web)).bucket).toBe("artifacts");
  // Of a fleet from before there was such an output nothing is known.
  expect((await load({ jobs }, data)).bucket).toBe("artifacts");
  const others: AppInput["resources"][] = [
    { jobs, database: { ...database, url: "postgres://app:two@db.example.com/app" } },
    { jobs, database: { ...database, url: { secret: "DATABASE" } } },
    { jobs: { ...jobs, url: "https://sqs.example.com/jobs" }, database },
    { jobs },
  ];
  for (const other of others)
    await expect(load(other, data, web)).rejects.toMatchObject({
      code: "ENVIRONMENT_NOT_COMMISSIONED",
      parts: {
        what: 'environment "production" of app "hello" does not stand as landfall.config.ts has it',
        why: expect.stringMatching(/^what serves of "web" was started with other resources than the file has, or with another "url" of one\./),
        standing: "Nothing was changed.",
        next: "landfall commission production",
      },
    });
});
