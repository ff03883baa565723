// The end of an instance as its watch sees it: what the metadata service says, where it stands in its group, and in which order it acts.
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { type Ended, Stage } from "./stage.ts";

const hasShellPrograms = process.platform === "linux" && ["bash", "jq", "curl", "ss"].every(isOnPath);
const LONG = { timeout: 20_000 };

let stage: Stage;
const servers: Server[] = [];

beforeEach(async () => {
  stage = await new Stage().open();
});
afterEach(async () => {
  await stage.close();
  for (const server of servers.splice(0)) server.closeAllConnections();
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** The watch, in a hurry: its pauses are a tenth of a second, and what it waits for otherwise is as given. */
function watch(settings: Record<string, string | number>, constants: Record<string, number> = {}): Promise<Ended> {
  const all = { ...stage.settings, LANDFALL_DRAIN_TIMEOUT_MS: 20_000, LANDFALL_STOP_TIMEOUT_MS: 10_000, ...settings };
  stage.write(
    "root/etc/landfall/settings",
    Object.entries(all)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(""),
  );
  const set = { poll_s: 0.1, ask_s: 0.1, look_s: 0.1, heartbeat_s: 0.2, let_go_ms: 100, ...constants };
  const path = "root/usr/local/lib/landfall/drain";
  const text = Object.entries(set).reduce((at, [name, value]) => at.replace(new RegExp(`^${name}=.*`, "m"), `${name}=${value}`), stage.read(path));
  stage.write(path, text, 0o755);
  return stage.spawn(join(stage.root, "usr/local/lib/landfall/drain"));
}

/** As the group says it: the metadata service first. */
function ends(state: string): void {
  stage.write("aws/state", `${state}\n`);
  stage.metadata["autoscaling/target-lifecycle-state"] = "Terminated";
}

const counted = (words: string) => stage.called().filter((line) => line.includes(words)).length;
const eventually = (count: () => number) => expect.poll(count, LONG);
/** What it does with the app, with the log, and with the hook. */
const order = () => [
  ...new Set(
    stage.called().flatMap((line) => /(start|stop) landfall-(app|logs|job)|(complete-lifecycle-action|set-instance-health)/.exec(line)?.[0] ?? []),
  ),
];

requires("Linux with bash, jq, curl and ss", hasShellPrograms)("draining", () => {
  test("waits for the hook, asks until it may, tells, waits for what is in hand, stops, and completes the hook", async () => {
    const events: string[] = [];
    let asked = 0;
    let finish = () => {};
    const port = await serve((request, response) => {
      if (request.url === "/deploy/ready") {
        asked += 1;
        events.push(`ask ${asked} of ${request.headers.host}`);
        response.writeHead(asked < 3 ? 503 : 200).end("uploading");
      } else if (request.url === "/deploy/drain") {
        events.push(`told by ${request.method} of ${request.headers.host}`);
        response.end();
      } else {
        response.write("beginning");
        finish = () => response.end("end");
      }
    });
    // A balancer's connection that carries nothing does not count.
    const idle = connect(port, "127.0.0.1");
    const busy = fetch(`http://127.0.0.1:${port}/slow`).then((answer) => answer.text());
    stage.write("shipped", "exit-code");
    const draining = watch({
      LANDFALL_PORT: port,
      LANDFALL_HEALTH_HOST: "shop.example",
      LANDFALL_DRAIN_ASK: "/deploy/ready",
      LANDFALL_DRAIN_START: "/deploy/drain",
    });
    ends("Terminating");
    // The balancer lets go: nothing is asked of the app, and nothing said of the hook, which AWS would refuse.
    await eventually(() => counted("describe-auto-scaling-instances")).toBeGreaterThan(3);
    expect(events).toEqual([]);
    expect(counted("lifecycle-hook-name")).toBe(0);
    expect(order()).toEqual([]);
    ends("Terminating:Wait");
    await eventually(() => events.length).toBe(4);
    expect(events).toEqual([...[1, 2, 3].map((turn) => `ask ${turn} of shop.example`), "told by POST of shop.example"]);
    await eventually(() => counted("record-lifecycle-action-heartbeat")).toBeGreaterThan(0);
    expect(order()).toEqual([]);
    finish();
    expect(await busy).toBe("beginningend");
    expect(await draining).toEqual({
      code: 0,
      said: [
        "the group ends this instance",
        "not yet: 503 uploading",
        "the app says it may be stopped",
        "the app has stopped",
        "the last log lines could not be shipped",
        "",
      ].join("\n"),
    });
    idle.destroy();
    expect(order()).toEqual(["stop landfall-app", "start landfall-logs", "stop landfall-logs", "complete-lifecycle-action"]);
    expect(stage.called().filter((line) => line.includes("complete-lifecycle-action"))).toEqual([
      expect.stringContaining(
        "--auto-scaling-group-name web-group --lifecycle-hook-name drain --instance-id i-0123456789abcdef0 --lifecycle-action-result CONTINUE",
      ),
    ]);
  });

  test("of what takes no requests begins with the hook", async () => {
    const draining = watch({ LANDFALL_SCHEDULE: "*:0/5" }, { let_go_ms: 3_600_000 });
    ends("Terminating");
    await eventually(() => counted("describe-auto-scaling-instances")).toBeGreaterThan(2);
    expect(order()).toEqual([]);
    ends("Terminating:Wait");
    expect(await draining).toMatchObject({ code: 0 });
    expect(order()).toEqual(["stop landfall-job", "stop landfall-app", "start landfall-logs", "stop landfall-logs", "complete-lifecycle-action"]);
  });

  test("of a spot instance that AWS takes back waits for no hook, and completes it once it has begun", async () => {
    const port = await serve((_, response) => response.end());
    stage.metadata["spot/instance-action"] = JSON.stringify({ action: "terminate", time: "2030-01-01T00:02:00Z" });
    stage.write("aws/state", "InService\n");
    const draining = watch({ LANDFALL_PORT: port });
    await eventually(() => counted("set-instance-health")).toBe(1);
    // It goes on serving until the group has it from the balancer.
    await eventually(() => counted("sleep 0.1")).toBeGreaterThan(3);
    expect(order()).toEqual(["set-instance-health"]);
    ends("Terminating");
    await eventually(() => counted("complete-lifecycle-action")).toBeGreaterThan(2);
    expect(order()).toEqual(["set-instance-health", "stop landfall-app", "start landfall-logs", "stop landfall-logs", "complete-lifecycle-action"]);
    ends("Terminating:Wait");
    expect(await draining).toEqual({
      code: 0,
      said: "AWS takes this spot instance back\nthe group ends this instance\nthe app has stopped\n",
    });
  });

  test("of a spot instance that no group ends stops the app in time all the same", async () => {
    stage.metadata["spot/instance-action"] = "{}";
    const draining = watch({ LANDFALL_STOP_TIMEOUT_MS: 3_600_000 }, { serve_ms: 500 });
    expect(await draining).toEqual({ code: 0, said: "AWS takes this spot instance back\nthe app has stopped\nthe group goes on by its own clock\n" });
    expect(order()).toEqual(["set-instance-health", "stop landfall-app", "start landfall-logs", "stop landfall-logs", "complete-lifecycle-action"]);
  });

  test("ends when the group has gone on without it", async () => {
    ends("Terminating:Proceed");
    expect(await watch({})).toEqual({
      code: 0,
      said: "the group ends this instance\nthe app has stopped\nthe group goes on by its own clock\n",
    });
  });

  test("that hears nothing of AWS stops the app and ends, each in its time", async () => {
    ends("Terminating");
    stage.write("aws/broken", "ServiceUnavailable");
    const { code, said } = await watch({ LANDFALL_DRAIN_TIMEOUT_MS: 0, LANDFALL_STOP_TIMEOUT_MS: 0 }, { hook_ms: 500 });
    expect(code).toBe(0);
    expect(said).toContain("the app has stopped\n");
    expect(said).toMatch(/the hook could not be completed; the group goes on by its own clock: [^\n]*\(ServiceUnavailable\)/);
  });
});
