// A real fleet under a load that the test makes: out to the maximum and in again, and nothing that was sent is lost.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { Agent, request } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RecordedEvent, Status } from "../../../../src/reports.ts";
import { loadLines } from "../../../../src/system/files.ts";
import { pathsOf } from "../../../../src/targets/local/paths.ts";
import { change, makeSandbox } from "../../../end-to-end/sandbox.ts";
import { loadVariables } from "../../../end-to-end/variables.ts";

const sandbox = makeSandbox();
const folder = join(sandbox.home, "apps/scaled/environments/local");
let app: string;

beforeAll(async () => {
  app = sandbox.copyApp("test/fixtures/apps/scaled");
  expect(await sandbox.run(app, "commission", "local")).toMatchObject({ code: 0 });
  expect(await sandbox.run(app, "deploy", "local")).toMatchObject({ code: 0 });
});
afterAll(() => sandbox.dispose());

const status = async (): Promise<Status> => JSON.parse((await sandbox.run(app, "status", "local", "--json")).stdout);
const service = async (name: string) => (await status()).services.find((one) => one.name === name);

/** The first event of this type from `since` on whose text matches. */
async function event(type: string, text: RegExp, since: number): Promise<RecordedEvent> {
  for (;;) {
    const events = loadLines<RecordedEvent>(join(folder, "events.jsonl")).filter(({ at }) => at >= since);
    const found = events.find((one) => one.type === type && text.test(one.text));
    if (found) return found;
    const failed = events.find((one) => one.type === "autoscale-failed");
    if (failed) throw new Error(failed.text);
    await sleep(100);
  }
}

/** Ten requests a second, whatever becomes of them; each takes `burnMs` of the processor. */
function startLoad(address: string) {
  const agent = new Agent();
  const load = { burnMs: 0, answered: 0, failures: [] as string[] };
  const underWay = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const one: Promise<void> = request(`${address}/?burn=${load.burnMs}`, { dispatcher: agent })
      .then(async ({ statusCode, body }) => {
        const text = await body.text();
        if (statusCode === 200) load.answered++;
        else load.failures.push(`${statusCode} ${text}`);
      })
      .catch((error) => load.failures.push(String(error)))
      .then(() => void underWay.delete(one));
    underWay.add(one);
  }, 100);
  const stop = async () => {
    clearInterval(timer);
    await Promise.all(underWay);
    await agent.close();
  };
  return Object.assign(load, { stop });
}

test("a web fleet follows its processor use, and no request fails", async () => {
  const begun = Date.now();
  const { address = "" } = await status();
  const load = startLoad(address);
  load.burnMs = 60;
  const out = await event("autoscaled", /^web \d → 3: CPU \d+ % of 10 %/, begun);
  load.burnMs = 0;
  // Ten requests a second are more than the eight of one instance, so the other measure keeps two.
  await event("autoscaled", /^web 3 → 2: /, out.at);
  expect((await service("web"))?.scaling?.map(({ measure }) => measure)).toEqual(["cpu", "requests"]);
  await load.stop();
  const none = Date.now();
  await event("autoscaled", /^web 2 → 1: /, none);
  expect(load.failures).toEqual([]);
  expect(load.answered).toBeGreaterThan(50);
  expect(await service("web")).toMatchObject({ wanted: 1, healthy: 1 });
});

test("workers follow their queue down to none, and each message is done once", async () => {
  const begun = Date.now();
  const { JOBS_QUEUE_URL: QueueUrl, ...variables } = loadVariables(pathsOf(sandbox.home, "scaled", "local"));
  Object.assign(process.env, variables);
  const sqs = new SQSClient();
  const bodies = Array.from({ length: 60 }, (_, index) => `message-${index}`);
  for (const MessageBody of bodies) await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  // It may look before the last of them is there.
  await event("autoscaled", /^worker 0 → 1: queue jobs [1-9]\d* waiting/, begun);
  const out = await event("autoscaled", /^worker \d → 3: queue jobs \d+ waiting, \S+ of 1s/, begun);
  await event("autoscaled", /^worker \d → 0: queue jobs 0 waiting/, out.at);
  const done = readFileSync(join(folder, "data/services/worker/done"), "utf8").trim().split("\n");
  expect(done.map((line) => line.split(" ")[0]).sort()).toEqual(bodies.sort());
  expect(new Set(done.map((line) => line.split(" ")[1])).size).toBe(3);
});

test("a number set by hand is where it goes on from, and an autoscaler that was killed finishes what it began", async () => {
  const begun = Date.now();
  const scaled = await sandbox.run(app, "scale", "local", "web=3");
  expect(scaled).toMatchObject({ code: 0, stderr: expect.stringContaining("the autoscaler goes on from web=3") });
  const stopping = await event("draining", /./, begun);
  const { pid } = JSON.parse(readFileSync(join(folder, "lease.json"), "utf8"));
  process.kill(pid, "SIGKILL");
  // The start of the new ones may be load enough for a step on the way.
  await event("autoscaled", /^web \d → 1: /, stopping.at);
  expect(await service("web")).toMatchObject({ wanted: 1, healthy: 1 });
  expect((await status()).unfinished).toBeUndefined();
});

test("goes when no service is scaled any more, and the numbers set by hand count again", async () => {
  const begun = Date.now();
  const config = readFileSync(join(app, "landfall.config.ts"), "utf8");
  change(app, "landfall.config.ts", config.replaceAll(/^ *scaling: .*\n/gm, ""));
  expect(await sandbox.run(app, "deploy", "local")).toMatchObject({ code: 0 });
  expect(await service("web")).toMatchObject({ wanted: 3, healthy: 3 });
  expect((await service("web"))?.scaling).toBeUndefined();
  const stopped = loadLines<RecordedEvent>(join(folder, "events.jsonl")).filter(({ at, type }) => at >= begun && type === "stopped");
  expect(stopped.map(({ id }) => id)).toContain("autoscaler");
});
