// docs/decisions/0069: a rollout ends at an instance that does not allow its own end, on this target as on the other. The driver is played; the
// script that it would carry to a machine runs here, and asks a real server.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { validateText } from "../../../../src/config/check.ts";
import { deploymentOf } from "../../../../src/config/deployment.ts";
import type { Progress } from "../../../../src/progress.ts";
import { systemClock } from "../../../../src/system/clock.ts";
import type { ReleaseContext } from "../../../../src/targets/aws/releases/driver.ts";
import { askInstances } from "../../../../src/targets/aws/rollout/ask-instances.ts";

const seen: { url?: string; host?: string }[] = [];
let answers: number[] = [];
const server = createServer(({ url, headers }, answer) => {
  seen.push({ url, host: headers.host });
  answer.writeHead(answers.length > 1 ? (answers.shift() as number) : (answers[0] ?? 200)).end("one invoice's job");
});
beforeAll(() => once(server.listen(0, "127.0.0.1"), "listening"));
afterAll(() => void server.close());
beforeEach(() => void seen.splice(0));

const said: string[] = [];
function contextWith(drain: object, container?: object): ReleaseContext {
  said.splice(0);
  const { port } = server.address() as AddressInfo;
  const web = { command: "x", port, drain: { timeout: "0s", ...drain }, health: { host: "a.example" }, ...(container && { container }) };
  const input = { name: "shop", services: { web }, environments: { production: { target: "aws" } } };
  const app = validateText(`export default ${JSON.stringify(input)}`, "landfall.config.ts", input);
  const deployment = deploymentOf(app, "production");
  const fleets = {
    observe: async () => ({ running: { web: { blue: { release: "old", settings: deployment.services.web, weight: 999 } } } }),
    serving: async () => [
      { instance: "i-1", service: "web" },
      { instance: "i-2", service: "web" },
      { instance: "i-3", service: "gone" },
    ],
    run: async (_: string, script: string) => (await promisify(execFile)("bash", ["-c", script])).stdout,
  };
  const emit = (progress: Progress) => void ("text" in progress && said.push(progress.text as string));
  return { deployment, clock: systemClock, emit, driver: { fleets } } as unknown as ReleaseContext;
}

const ask = (context: ReleaseContext, force = false) => askInstances(context, { to: "new", force });

test("every instance that is to go is asked, by the name that it answers to, until it says yes", async () => {
  answers = [503, 503, 200];
  await ask(contextWith({ ask: "/may-i?now", timeout: "10m" }));
  expect(seen.length).toBeGreaterThanOrEqual(4);
  expect(new Set(seen.map((one) => JSON.stringify(one)))).toEqual(new Set([JSON.stringify({ url: "/may-i?now", host: "a.example" })]));
});

test("one that still says not yet at its time-out ends the rollout, with its answer", async () => {
  answers = [503];
  const error = await ask(contextWith({ ask: "/may-i" })).catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code: "DRAIN_VETOED",
    parts: {
      what: expect.stringMatching(/^"i-[12]" does not allow itself to be stopped$/),
      evidence: [
        ["asked", expect.stringMatching(/^GET http:\/\/127\.0\.0\.1:\d+\/may-i, Host: a\.example for 0s; 200 is yes$/)],
        ["answered", '503 "one invoice\'s job"'],
      ],
      standing: "Release old is still serving.",
      next: "landfall deploy production --force   stops it all the same",
    },
  });
});

test("with force it is asked once, and stopped all the same, which is said", async () => {
  answers = [503];
  await ask(contextWith({ ask: "/may-i", timeout: "10m" }), true);
  expect(seen).toHaveLength(2);
  expect(said.filter((text) => text.includes('is stopped although it says "not yet": 503')).length).toBe(2);
});

test("nobody is asked who has nothing to say, or beside whom nobody of ours can stand", async () => {
  answers = [503];
  await ask(contextWith({}));
  expect(seen).toEqual([]);
});
