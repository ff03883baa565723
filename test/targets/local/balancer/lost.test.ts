// What happens to requests when the instance they were meant for dies.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
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

test.runIf(process.platform === "linux")("a POST is not given to an instance that is being killed and still takes connections", async () => {
  await stage.open();
  const alive = await stage.upstream((incoming, outgoing) => incoming.resume().on("end", () => outgoing.end("alive")));
  // A stopped process takes connections and reads nothing, as one does that the kernel is clearing away; a zombie counts as dying.
  const { port } = await stage.upstream((incoming) => incoming.socket.destroy());
  const dying = spawn("sh", ["-c", "sleep 0.01 & exec sleep 60"], { stdio: "ignore" });
  try {
    const zombie = await vi.waitUntil(() => findZombie(dying.pid as number), { timeout: 10_000 });
    await stage.configure([{ ...web("dying", port), pid: zombie }, web("alive", alive.port, "attached", 0)]);
    expect(await stage.ask("/", { method: "POST", body: "pay" })).toMatchObject({ status: 200, body: "alive" });
  } finally {
    dying.kill("SIGKILL");
  }
});

/** The child of that process, once it has ended: nobody waits for it. */
function findZombie(parent: number): number | undefined {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => {
      const [state, ppid] = readOrNothing(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
      return state === "Z" && Number(ppid) === parent;
    });
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
