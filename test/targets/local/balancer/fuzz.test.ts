// Conversations by chance: whatever is said, it ends, the rules hold, nothing is taken for a request that is none, and the next one is served.
import type { Server } from "node:net";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { holdAll, LIMITS, listening, PRIVATE, plain, ROUTES, startOdd, startWitness, upgrade } from "./fuzz.ts";
import { conversation, oddAnswer } from "./grammar.ts";
import { Stage, web } from "./stage.ts";

const connectionsOf = promisify((server: Server, done: (error: Error | null, count: number) => void) => server.getConnections(done));

let stage: Stage;
const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
beforeEach(async () => {
  stage = await new Stage().open({ limits: LIMITS, routes: ROUTES });
  complaints.mockClear();
});
afterEach(() => stage.close());

test("what strangers say", async () => {
  const { server, port, breaches, requests } = await startWitness();
  stage.servers.push(server);
  await stage.configure([{ ...web("a", port), privatePaths: PRIVATE }]);
  const before = listening("self");
  await fc.assert(
    fc.asyncProperty(fc.array(conversation, { minLength: 100, maxLength: 100 }), async (conversations) => {
      const answers = await holdAll(stage.edge.port, conversations);
      expect(breaches).toEqual([]);
      for (const answer of answers) expect(answer).toMatch(/^(HTTP\/1\.1 [1-5]\d\d [ -~]*\r\n|$)/);
      expect((await stage.ask("/")).status).toBe(200);
    }),
    { numRuns: 3, endOnFailure: true },
  );
  expect(requests()).toBeGreaterThan(15);
  expect(complaints.mock.calls).toEqual([]);
  expect(listening("self")).toEqual(before);
});

test("what odd apps answer", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(oddAnswer, { minLength: 60, maxLength: 60 }), async (odd) => {
      const { server, port } = await startOdd(odd);
      await stage.configure([web(`odd${port}`, port)]);
      const answers = await holdAll(stage.edge.port, [...odd.map(() => plain("GET")), ...odd.map(() => plain("POST")), ...odd.map(() => upgrade)]);
      for (const answer of answers) expect(answer).toMatch(/^(HTTP\/1\.1 [1-9]\d\d [ -~]*\r\n|$)/);
      await stage.configure([]);
      await expect.poll(async () => (await stage.balancer.observe()).upstreams, { timeout: 20_000 }).toEqual([]);
      await expect.poll(() => connectionsOf(server), { timeout: 20_000 }).toBe(0);
      server.close();
    }),
    { numRuns: 3, endOnFailure: true },
  );
  expect(complaints.mock.calls).toEqual([]);
});
