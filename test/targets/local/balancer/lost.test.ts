// What happens to requests when the instance they were meant for dies.
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Stage, web } from "./stage.ts";

let stage: Stage;
beforeEach(() => (stage = new Stage()));
afterEach(() => stage.close());

/**
 * Answers, and is dead for good in the same turn: its end of the kept connection is closed before the balancer can have noticed. That
 * is what kill -9 of an idle instance looks like from outside.
 */
async function diesAfterOne(): Promise<number> {
  const { port, server } = await stage.upstream((_, outgoing) => {
    outgoing.end("last words");
    outgoing.once("finish", () => {
      server.close();
      server.closeAllConnections();
    });
  });
  return port;
}

test.each([
  ["GET", undefined],
  ["POST", "small"],
  ["POST", "x".repeat(200_000)],
  ["DELETE", undefined],
])("an instance that died idle costs no %s, whose body may be small or large", async (method, body) => {
  await stage.open();
  const alive = await stage.upstream((incoming, outgoing) => incoming.resume().on("end", () => outgoing.end("alive")));
  for (let turn = 0; turn < 30; turn++) {
    const dying = await diesAfterOne();
    await stage.configure([web(`dying${turn}`, dying), web("alive", alive.port, "attached", 0)]);
    expect((await stage.ask("/")).body).toBe("last words");
    expect(await stage.ask("/", { method, body })).toMatchObject({ status: 200, body: "alive" });
  }
});

test("a request that cannot be sent twice never goes over a connection that was used before", async () => {
  const reused: boolean[] = [];
  const seen = new WeakSet();
  await stage.serve((incoming, outgoing) => {
    reused.push(seen.has(incoming.socket));
    seen.add(incoming.socket);
    incoming.resume().on("end", () => outgoing.end());
  });
  for (const method of ["GET", "POST", "POST", "GET"]) await stage.ask("/", { method, body: method === "POST" ? "x" : undefined });
  expect(reused).toEqual([false, false, false, true]);
});

test("a POST that was read by an instance that then dies is not sent again", async () => {
  let reads = 0;
  const server = await stage.serve((incoming) => {
    reads++;
    incoming.resume().on("end", () => incoming.socket.destroy());
  });
  const answered = stage.ask("/", { method: "POST", body: "pay" });
  await once(server, "request");
  expect((await answered).status).toBe(502);
  expect(reads).toBe(1);
});
