// The guestbook on machines: its image baked by the unchanged script on a bare Debian 13, its instances booted from the unchanged user data.
import { spawnSync } from "node:child_process";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { whyNoMachines } from "../../src/rehearse/tree.ts";
import { requires } from "../skips.ts";
import { type Booted, openStage, type Stage } from "./stage.ts";

const why = whyNoMachines();
const MINUTES = 60_000;
/** Where nginx listens, which keeps drain paths from outside. */
const PROXY = 8081;
const SECRET = "a-secret-that-nobody-may-find-5120771";

requires(why ?? "machines", why === undefined)("the guestbook on machines", () => {
  let stage: Stage;
  let release: Awaited<ReturnType<Stage["release"]>>;
  let [web, worker, scheduler] = [] as unknown as [Booted, Booted, Booted];

  beforeAll(async () => {
    stage = await openStage("guestbook", { secrets: { SESSION_KEY: SECRET } });
    release = await stage.release("aaaaaaaaaa");
    [web, worker, scheduler] = ["web", "worker", "scheduler"].map((service) => stage.boot(service, release)) as [Booted, Booted, Booted];
    const signals = await Promise.all([web, worker, scheduler].map((one) => one.signal()));
    console.log(`from power-on to the signal, three machines at once: ${signals.map(({ ms }) => `${ms / 1000} s`).join(", ")}`);
  }, 15 * MINUTES);
  afterAll(() => stage?.stop(), 2 * MINUTES);

  /** The proxy of the environment's own database, as an operator on this machine reaches it. */
  async function withDatabase<T>(act: (client: pg.Client) => Promise<T>): Promise<T> {
    const login = JSON.parse([...stage.account.secrets].find(([arn]) => arn.endsWith(":database-Login"))?.[1] ?? "{}");
    const { localPort } = stage.resources.served[0] as { localPort: number };
    const client = new pg.Client({ host: "127.0.0.1", port: localPort, user: login.username, password: login.password, database: "app" });
    await client.connect();
    try {
      return await act(client);
    } finally {
      await client.end();
    }
  }

  const post = (entry: object) =>
    web.ask("/entries", { port: PROXY, method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(entry) });

  async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (let turn = 0; turn < 300; turn++) {
      const found = await look().catch(() => undefined);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error("it never came");
  }

  it("answers, and tells CloudFormation once that it works", async () => {
    expect(await web.ask("/ready", { port: PROXY })).toEqual({ status: 200, text: "ready, release aaaaaaaaaa\n" });
    expect((await web.ask("/deploy/ready", { port: PROXY })).status).toBe(404);
    for (const one of [web, worker, scheduler]) {
      const { call } = await one.signal();
      expect(call.input).toMatchObject({ Status: "SUCCESS", UniqueId: one.id, LogicalResourceId: "BlueGroup" });
      expect(stage.ground.calls.filter(({ action, from }) => action === "SignalResource" && from === one.address)).toHaveLength(1);
    }
  });

  it("has its worker and its scheduler at work", async () => {
    const entry = JSON.parse((await post({ name: "Ada", message: "three short words" })).text);
    const read = await eventually(async () => {
      const found = JSON.parse((await web.ask(`/entries/${entry.id}`, { port: PROXY })).text);
      return found.words === null ? undefined : found;
    });
    expect(read.words).toBe(3);
    expect(await scheduler.run("systemctl is-active landfall-app.service")).toBe("active\n");
    expect(await scheduler.run("journalctl -q -o cat -u landfall-app.service")).toContain("scheduling");
  });

  it("shows secrets to nobody but the app", async () => {
    const password = JSON.parse([...stage.account.secrets].find(([arn]) => arn.endsWith(":database-Login"))?.[1] ?? "{}").password as string;
    const environment = await web.run("tr '\\0' '\\n' <$(ls -d /proc/$(systemctl show -p MainPID --value landfall-app.service))/environ");
    expect(environment).toContain(`SESSION_KEY=${SECRET}`);
    for (const value of [SECRET, password]) {
      expect(web.subject.userData).not.toContain(value);
      for (const folder of [web.written, stage.image.folder])
        expect(spawnSync("grep", ["-rlaF", value, folder], { encoding: "utf8" }).stdout).toBe("");
      expect(await web.run("ps axww -o args")).not.toContain(value);
    }
    const asOther = (command: string) => web.run(`setpriv --reuid=nobody --regid=nogroup --clear-groups sh -c '${command}'`);
    await expect(asOther("cat /run/landfall/environment")).rejects.toThrow(/Permission denied/);
    await expect(asOther("cat /run/landfall/secrets")).rejects.toThrow(/Permission denied/);
    await expect(asOther("cat /proc/$(pgrep -o node)/environ")).rejects.toThrow(/Permission denied/);
    expect(await web.run("stat -f -c %T /run/landfall/environment")).toBe("tmpfs\n");
  });

  it("ships its log", async () => {
    const lines = await eventually(async () => stage.account.logs.get(`/landfall/guestbook/local/web ${web.id}/app`));
    expect(lines.join("\n")).toContain("release aaaaaaaaaa listens on 8080");
  });

  it("comes back after a reboot, and signals no second time", async () => {
    await web.run("systemctl reboot").catch(() => {});
    await eventually(async () => (web.starts() === 2 ? true : undefined));
    const answer = await eventually(async () => {
      const found = await web.ask("/ready", { port: PROXY });
      return found.status === 200 ? found : undefined;
    });
    expect(answer.text).toBe("ready, release aaaaaaaaaa\n");
    expect(stage.ground.calls.filter(({ action, from }) => action === "SignalResource" && from === web.address)).toHaveLength(1);
  });

  it("finishes a worker's job in hand before the group may end it", async () => {
    await withDatabase(async (client) => {
      const { rows } = await client.query("insert into entries (name, message) values ('Grace', 'held by a lock') returning id::int as id");
      const { id } = rows[0];
      await client.query("begin");
      await client.query("select 1 from entries where id = $1 for update", [id]);
      await sendJob({ kind: "entry", id });
      await eventually(() => isWaiting(id));
      worker.subject.lifecycleState = "Terminated";
      await eventually(async () =>
        (await worker.run("journalctl -q -o cat -u landfall-app.service")).includes("finishing the job in hand") ? true : undefined,
      );
      expect(completed(worker)).toBe(false);
      await client.query("commit");
      await stage.ground.called((call) => call.action === "CompleteLifecycleAction" && call.from === worker.address, MINUTES);
      expect((await client.query("select words from entries where id = $1", [id])).rows[0].words).toBe(4);
    });
  });

  it("answers what a web instance has in hand before the group may end it", async () => {
    const slow = web.ask("/slow?chunks=80&every=100", { port: PROXY });
    await eventually(async () => ((await web.run("ss -Htn state established '( sport = :8081 )'")).length > 0 ? true : undefined));
    web.subject.lifecycleState = "Terminated";
    const { text } = await slow;
    expect(text).toMatch(/line 80 of 80\nend\n$/);
    const { input } = await stage.ground.called((call) => call.action === "CompleteLifecycleAction" && call.from === web.address, MINUTES);
    expect(input).toMatchObject({
      AutoScalingGroupName: "guestbook-local-service-web-BlueGroup",
      LifecycleHookName: "drain",
      LifecycleActionResult: "CONTINUE",
      InstanceId: web.id,
    });
    expect(await web.run("systemctl is-active landfall-app.service || true")).toBe("inactive\n");
  });

  it("fails the signal within seconds when a release is broken, with its last lines", async () => {
    const broken = "console.error('no such planet:', process.env.SESSION_KEY); process.exit(3);\n";
    const files = stage.source.files.map((file) => (file.path === "web.js" ? { ...file, content: () => Buffer.from(broken) } : file));
    const artifact = await stage.release("bbbbbbbbbb", { ...stage.source, files });
    const instance = stage.boot("web", artifact);
    const { call, ms } = await instance.signal();
    console.log(`from power-on to the failed signal: ${ms / 1000} s`);
    expect(call.input.Status).toBe("FAILURE");
    const report = JSON.parse(String(await stage.resources.artifacts.get(`reports/guestbook-local-service-web/${instance.id}.json`)));
    expect(report).toMatchObject({ ok: false, step: "health", service: "web", release: "bbbbbbbbbb", instance: instance.id });
    expect(report.why).toMatch(/the process ended 2 times/);
    expect(report.tail.join("\n")).toContain("no such planet: [SESSION_KEY]");
    expect(JSON.stringify(report)).not.toContain(SECRET);
  });

  const completed = (one: Booted) => stage.ground.calls.some(({ action, from }) => action === "CompleteLifecycleAction" && from === one.address);

  async function sendJob(job: object): Promise<void> {
    const answer = await fetch(stage.resources.endpoint, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage" },
      body: JSON.stringify({ QueueUrl: `${stage.resources.endpoint}/000000000000/guestbook-jobs`, MessageBody: JSON.stringify(job) }),
    });
    expect(answer.status).toBe(200);
  }

  const isWaiting = (id: number) =>
    withDatabase(async (client) => {
      const { rows } = await client.query("select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'update entries%'");
      return rows.length > 0 ? id : undefined;
    });
});
