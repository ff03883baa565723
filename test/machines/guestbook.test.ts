// The guestbook on machines: its image baked by the unchanged script on a bare Debian 13, its instances booted from the unchanged user data.
import { spawnSync } from "node:child_process";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Recorded } from "../../src/rehearse/endpoints.ts";
import { whyNoMachines } from "../../src/rehearse/root-filesystem.ts";
import { contentOf, readWhole, type SourceFile } from "../../src/release/source-file.ts";
import { ask } from "../../src/targets/local/resources/object-server.ts";
import { requires } from "../skips.ts";
import { CASES, PROGRAMS, saidOf } from "../stopping.ts";
import { type Booted, openStage, type Stage } from "./stage.ts";

const why = whyNoMachines();
const MINUTES = 60_000;
/** Where nginx listens, which keeps drain paths from outside. */
const PROXY = 8081;
const readingOf =
  (text: string): SourceFile["read"] =>
  (use) =>
    use(contentOf(Buffer.from(text)));
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
  afterAll(() => stage?.stop(), 5 * MINUTES);

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
      expect(stage.host.calls.filter(({ action, from }) => action === "SignalResource" && from === one.address)).toHaveLength(1);
    }
  });

  it("comes into service when it serves, and tells CloudFormation once the balancer finds it healthy", async () => {
    expect(await web.launched).toBe("healthy");
    const told = (one: Booted) =>
      stage.host.calls
        .filter(({ from }) => from === one.address)
        .flatMap(({ action, status }) => (/Lifecycle|TargetHealth|Signal/.test(action) ? [`${action} ${status}`] : []));
    expect([...new Set(told(web))]).toEqual(["CompleteLifecycleAction 200", "DescribeTargetHealth 200", "SignalResource 200"]);
    for (const one of [worker, scheduler]) expect(told(one)).toEqual(["CompleteLifecycleAction 200", "SignalResource 200"]);
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

  it("takes Debian's updates, for which it is never restarted", async () => {
    expect(await web.run("systemctl is-active apt-daily.timer apt-daily-upgrade.timer")).toBe("active\nactive\n");
    const settings = await web.run("apt-config dump | grep -E '^(APT::Periodic|Unattended-Upgrade::(Automatic-Reboot|Origins-Pattern)[ :])'");
    expect(settings).toMatch(/^APT::Periodic::Update-Package-Lists "1";$/m);
    expect(settings).toMatch(/^APT::Periodic::Unattended-Upgrade "1";$/m);
    expect(settings).toMatch(/^Unattended-Upgrade::Automatic-Reboot "false";$/m);
    expect(settings).toMatch(/label=Debian-Security/);
    await web.run("unattended-upgrade --help >/dev/null");
  });

  it("ships its log", async () => {
    const isShipped = () =>
      stage.account.logs.streams
        .get(`/landfall/guestbook/local/web ${web.id}/app`)
        ?.some(({ message }) => message.includes("release aaaaaaaaaa listens on 8080"));
    expect(await eventually(async () => isShipped() || undefined)).toBe(true);
  });

  it("comes back after a reboot, and signals no second time", async () => {
    await web.run("systemctl reboot").catch(() => {});
    await eventually(async () => (web.starts() === 2 ? true : undefined));
    const answer = await eventually(async () => {
      const found = await web.ask("/ready", { port: PROXY });
      return found.status === 200 ? found : undefined;
    });
    expect(answer.text).toBe("ready, release aaaaaaaaaa\n");
    expect(stage.host.calls.filter(({ action, from }) => action === "SignalResource" && from === web.address)).toHaveLength(1);
  });

  it("finishes a worker's job in hand before the group may end it", async () => {
    await withDatabase(async (client) => {
      const { rows } = await client.query("insert into entries (name, message) values ('Grace', 'held by a lock') returning id::int as id");
      const { id } = rows[0];
      await client.query("begin");
      await client.query("select 1 from entries where id = $1 for update", [id]);
      await sendJob({ kind: "entry", id });
      await eventually(() => isWaiting(id));
      const ended = worker.terminate();
      await eventually(async () =>
        (await worker.run("journalctl -q -o cat -u landfall-app.service")).includes("finishing the job in hand") ? true : undefined,
      );
      expect(completed(worker)).toBe(false);
      await client.query("commit");
      expect(await ended).toBe(true);
      expect((await client.query("select words from entries where id = $1", [id])).rows[0].words).toBe(4);
    });
  });

  it("answers what the balancer still sends while it lets go, and what is in hand, before the group may end it", {
    timeout: 4 * MINUTES,
  }, async () => {
    const slow = web.ask("/slow?chunks=80&every=100", { port: PROXY });
    await eventually(async () => ((await web.run("ss -Htn state established '( sport = :8081 )'")).length > 0 ? true : undefined));
    let letGo = () => {};
    const ended = web.terminate(new Promise<void>((resolve) => (letGo = resolve)));
    // Its metadata says so from here on. The watch looks every two seconds; what is sent for ten more is to be answered.
    const until = Date.now() + 10_000;
    const statuses: (number | string)[] = [];
    while (Date.now() < until) {
      statuses.push(await web.ask("/ready", { port: PROXY }).then(({ status }) => status, String));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    letGo();
    const { text } = await slow;
    expect(text).toMatch(/line 80 of 80\nend\n$/);
    expect(await ended).toBe(true);
    const isDrain = ({ from, input }: Recorded) => from === web.address && input.LifecycleHookName === "drain";
    const completed = await stage.host.called((call) => isDrain(call) && call.action === "CompleteLifecycleAction" && call.status === 200, MINUTES);
    expect(completed.input).toMatchObject({
      AutoScalingGroupName: "guestbook-local-service-web-BlueGroup",
      LifecycleActionResult: "CONTINUE",
      InstanceId: web.id,
    });
    // None came before the hook began: AWS would have refused it.
    expect(stage.host.calls.filter((call) => isDrain(call) && call.status !== 200)).toEqual([]);
    expect(await web.run("systemctl is-active landfall-app.service || true")).toBe("inactive\n");
  });

  it("fails the signal within seconds when a release is broken, with its last lines", { timeout: 10 * MINUTES }, async () => {
    const broken = "console.error('no such planet:', process.env.SESSION_KEY); process.exit(3);\n";
    const files = stage.source.files.map((file) => (file.path === "web.js" ? { ...file, read: readingOf(broken) } : file));
    const artifact = await stage.release("bbbbbbbbbb", { ...stage.source, files });
    const instance = stage.boot("web", artifact);
    const { call, ms } = await instance.signal();
    console.log(`from power-on to the failed signal: ${ms / 1000} s`);
    expect(call.input.Status).toBe("FAILURE");
    const report = JSON.parse(String(await stage.resources.artifacts.get(`reports/guestbook-local-service-web/${instance.id}.json`)));
    expect(report).toMatchObject({ ok: false, step: "health", service: "web", release: "bbbbbbbbbb", instance: instance.id });
    expect(report.why).toMatch(/the process ended [2-9] times/);
    expect(report.tail.join("\n")).toContain("no such planet: [SESSION_KEY]");
    expect(JSON.stringify(report)).not.toContain(SECRET);
  });

  describe("its unit, when it is stopped,", () => {
    /** Another command in place of the app's; what it has said until it was stopped. */
    async function stopped(command: string, ups: number, stop = "systemctl stop landfall-app.service"): Promise<string[]> {
      const cursor = /cursor: (\S+)/.exec(await scheduler.run("journalctl -q -n 1 --show-cursor"))?.[1];
      await scheduler.run(`cat >/run/landfall/command <<'END'\n${command}\nEND\nsystemctl restart landfall-app.service`);
      const invocation = (await scheduler.run("systemctl show -p InvocationID --value landfall-app.service")).trim();
      // A line of a process that ended at once was seen to bear no invocation: it is taken for this one's.
      const said = async () =>
        (await scheduler.run(`journalctl -q -o json --after-cursor='${cursor}' _SYSTEMD_UNIT=landfall-app.service`))
          .split("\n")
          .filter(Boolean)
          .map((line): { MESSAGE: string; _SYSTEMD_INVOCATION_ID?: string } => JSON.parse(line))
          .filter(({ _SYSTEMD_INVOCATION_ID: run = invocation }) => run === invocation)
          .map(({ MESSAGE }) => MESSAGE);
      await eventually(async () => ((await said()).filter((line) => /up$/.test(line)).length === ups ? true : undefined));
      await scheduler.run(stop);
      return said();
    }

    beforeAll(async () => {
      const variables = Object.entries(PROGRAMS).map(([name, text]) => `${name}='${text.replaceAll("'", `'"'"'`)}'`);
      await scheduler.run(`printf '%s\\0' ${variables.join(" ")} >>/run/landfall/environment`);
    });

    // npx would write into a home.
    const cases = CASES.filter(({ name }) => !name.startsWith("npx"));
    it.each(cases)("asks once: $name ($shell)", async (one) => {
      const lines = await stopped(`exec ${one.shell} -c '${one.line.replaceAll("'", `'"'"'`)}'`, one.ups ?? 1);
      expect(saidOf(lines, one)).toEqual(one.says);
    });

    it("lets a job whose time is over finish what it has in hand", async () => {
      await scheduler.run(
        `cd /run/systemd/system/landfall-app.service.d && printf '[Service]\\nRuntimeMaxSec=3s\\nRestart=no\\n' >z.conf && systemctl daemon-reload`,
      );
      const job = `PLAIN="console.log('up'); setTimeout(() => console.log('done'), 6000)" node -e "$PARENT"; :`;
      const lines = await stopped(job, 1, "until systemctl is-failed -q landfall-app.service; do sleep 0.1; done");
      expect(saidOf(lines, { name: "", line: "", says: [] })).toEqual(["up", "asked", "done", "gone"]);
      await scheduler.run("rm /run/systemd/system/landfall-app.service.d/z.conf && systemctl daemon-reload");
    });

    it("leaves nothing of an app that ends by itself", async () => {
      for (const code of [0, 3]) {
        await stopped(`sleep 1000 & echo up; sleep 0.3; exit ${code}`, 1, "sleep 2");
        expect(Number(await scheduler.run("systemctl show -p NRestarts --value landfall-app.service"))).toBeGreaterThan(1);
        expect(Number(await scheduler.run("pgrep -fxc 'sleep 1000' || true"))).toBeLessThanOrEqual(1);
      }
    });

    it("kills what does not end in time, and says so", async () => {
      const lines = await stopped("trap '' TERM; echo up; sleep 1000", 1);
      expect(lines.at(-1)).toMatch(/^did not end 10 s after SIGTERM and is killed: sh \d+, sleep \d+$/);
      expect(await scheduler.run("pgrep -fx 'sleep 1000' || true")).toBe("");
    });
  });

  it("fails the signal of a release that is healthy at first and ends seconds later", { timeout: 10 * MINUTES }, async () => {
    const dying = "\nsetTimeout(() => { console.error('the license has expired'); process.exit(4); }, 4_000);\n";
    const web = await readWhole(stage.source.files.find(({ path }) => path === "web.js") as SourceFile);
    const files = stage.source.files.map((file) => (file.path === "web.js" ? { ...file, read: readingOf(`${web}${dying}`) } : file));
    const artifact = await stage.release("cccccccccc", { ...stage.source, files });
    // As a release without a phase leaves it: no read-only user.
    await withDatabase((client) => client.query("DROP OWNED BY readonly; DROP ROLE readonly"));
    const instance = stage.boot("web", artifact);
    const { call } = await instance.signal();
    expect(call.input.Status).toBe("FAILURE");
    const made = await withDatabase((client) => client.query("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'readonly'"));
    expect(made.rows).toEqual([{ rolcanlogin: true }]);
    const report = JSON.parse(String(await stage.resources.artifacts.get(`reports/guestbook-local-service-web/${instance.id}.json`)));
    expect(report).toMatchObject({ step: "steady", why: "the process ended soon after its start: code=exited, status=4/NOPERMISSION" });
    expect(report.tail.join("\n")).toContain("the license has expired");
    const boot = await instance.run("journalctl -q -o cat -u landfall-boot.service");
    expect(boot).toMatch(/health took [\d.]+ s/);
  });

  // "Never two at once, not even during a rollout" (`services.<name>.singleton`). A group starts the next instance while the one before still drains,
  // and for a rebalance before it ends the other: https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-instance-termination.html
  describe("a singleton", { timeout: 8 * MINUTES }, () => {
    let [first, next] = [] as unknown as [Booted, Booted];
    /** Says when it ran, by the one clock that all machines here have, and takes its time to stop. */
    const beating = `
      import { appendFileSync } from "node:fs";
      const beat = () => appendFileSync(process.env.LANDFALL_DATA + "/beats", Date.now() + "\\n");
      beat();
      setInterval(beat, 50);
      process.on("SIGTERM", () => setTimeout(() => (beat(), process.exit()), 6_000));`;
    const beatsOf = async (one: Booted) => (await one.run("cat /var/lib/landfall/data/beats")).trim().split("\n").map(Number);
    const said = (one: Booted, unit: string) => one.run(`journalctl -q -o cat -u landfall-${unit}.service`).catch(() => "");
    const poll = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 4 * MINUTES, interval: 300 });

    beforeAll(async () => {
      await scheduler.terminate();
      const files = stage.source.files.map((file) => (file.path === "scheduler.js" ? { ...file, read: readingOf(beating) } : file));
      const slow = await stage.release("dddddddddd", { ...stage.source, files });
      first = stage.boot("scheduler", slow);
      expect((await first.signal()).call.input.Status).toBe("SUCCESS");
      next = stage.boot("scheduler", slow);
    }, 8 * MINUTES);

    it("waits for the one before it, which drains, to have stopped", async () => {
      await poll(async () => `${await said(next, "boot")}${await said(next, "lease")}`).toMatch(/start took|has it/);
      const ended = first.terminate();
      expect(await ended).toBe(true);
      expect((await next.signal()).call.input.Status).toBe("SUCCESS");
      const [last, begun] = [(await beatsOf(first)).at(-1) as number, (await beatsOf(next))[0] as number];
      expect(begun - last, `the next one began ${last - begun} ms before the last word of the one before it`).toBeGreaterThan(0);
      console.log(`from the last word of a singleton to the first of the next: ${(begun - last) / 1000} s`);
    });

    it("stops when its lease is not kept, and comes back with it", async () => {
      const invocation = () => next.run("systemctl show -p InvocationID --value landfall-app.service");
      const before = await invocation();
      await next.run("systemctl kill --signal=STOP landfall-lease.service");
      await poll(async () => [await invocation(), await next.run("systemctl is-active landfall-app.service || true")]).not.toContain(before);
      await poll(() => next.run("systemctl is-active landfall-app.service || true")).toBe("active\n");
      expect(await said(next, "lease")).toMatch(/[Ww]atchdog timeout/);
    });
  });

  const completed = (one: Booted) => stage.host.calls.some(({ input, from }) => input.LifecycleHookName === "drain" && from === one.address);

  async function sendJob(job: object): Promise<void> {
    const { endpoint, socket } = stage.resources.objectServer;
    const answer = await ask(socket, {
      method: "POST",
      path: "/",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage" },
      body: JSON.stringify({ QueueUrl: `${endpoint}/000000000000/guestbook-jobs`, MessageBody: JSON.stringify(job) }),
    });
    expect(answer.status).toBe(200);
  }

  const isWaiting = (id: number) =>
    withDatabase(async (client) => {
      const { rows } = await client.query("select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'update entries%'");
      return rows.length > 0 ? id : undefined;
    });
});
