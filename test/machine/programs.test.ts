// The programs of a machine, run for what they do: with a real app where they ask one, and a stand-in for the command line of AWS.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findFreePort } from "../../src/system/network.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
const servers: Server[] = [];
beforeEach(async () => {
  stage = await new Stage().open();
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await stage.close();
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const hasShellPrograms = process.platform === "linux" && ["jq", "curl", "bash", "ss"].every(isOnPath);

requires("Linux with bash, jq, curl and ss", hasShellPrograms)("a release", () => {
  const RELEASE = ["machine.sh", "release.sh"];
  const folder = () => join(stage.root, "srv/landfall/releases/7f3c2a");

  function release(files: Record<string, string>, image: Record<string, string> = {}, recipe = ""): Buffer {
    const source = mkdtempSync(join(tmpdir(), "landfall-source-"));
    const put = (base: string, entries: Record<string, string>) => {
      for (const [path, text] of Object.entries(entries)) {
        mkdirSync(join(base, path, ".."), { recursive: true });
        writeFileSync(join(base, path), text);
      }
    };
    put(source, files);
    put(join(stage.root, "opt/landfall/image"), image);
    stage.write("root/opt/landfall/recipe-files", recipe);
    const archive = execFileSync("tar", ["-cz", "-C", source, "."]);
    rmSync(source, { recursive: true });
    stage.settings = {
      ...stage.settings,
      LANDFALL_RELEASE_KEY: "releases/7f3c2a/x.tar.gz",
      LANDFALL_RELEASE_SHA256: createHash("sha256").update(archive).digest("hex"),
    };
    stage.write("aws/s3/artifacts/releases/7f3c2a/x.tar.gz", archive);
    return archive;
  }

  test("is fetched, unpacked, and has the image linked in", async () => {
    release(
      { "web.js": "", "package.json": "{}", "front/package.json": "{}", "front/app.js": "" },
      { "package.json": "{}", "node_modules/pg/index.js": "", "front/package.json": "{}", "front/node_modules/x.js": "", "two words/x": "" },
      "package.json\nfront/package.json\n",
    );
    expect(await stage.run("place_release", RELEASE)).toEqual({ code: 0, said: "" });
    expect(readlinkSync(join(folder(), "node_modules"))).toBe("/opt/landfall/image/node_modules");
    expect(readlinkSync(join(folder(), "front/node_modules"))).toBe("/opt/landfall/image/front/node_modules");
    expect(readlinkSync(join(folder(), "two words"))).toBe("/opt/landfall/image/two words");
    expect(lstatSync(join(folder(), "package.json")).isFile()).toBe(true);
    expect(readlinkSync(join(stage.root, "srv/landfall/current"))).toBe("releases/7f3c2a");
  });

  test("that stands is verified again and made anew, without being fetched", async () => {
    release({ "web.js": "good" });
    await stage.run("place_release", RELEASE);
    writeFileSync(join(folder(), "web.js"), "changed");
    expect(await stage.run("place_release", RELEASE)).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder(), "web.js"), "utf8")).toBe("good");
    expect(stage.called().filter((line) => line.startsWith(" aws"))).toHaveLength(1);
  });

  test("of another digest is refused, and nothing of it is kept", async () => {
    release({ "web.js": "" });
    const { LANDFALL_RELEASE_SHA256: found } = stage.settings;
    stage.settings.LANDFALL_RELEASE_SHA256 = "0".repeat(64);
    const { code, said } = await stage.run("place_release", RELEASE);
    expect({ code, said }).toEqual({
      code: 1,
      said: `s3://artifacts/releases/7f3c2a/x.tar.gz has the digest ${found}, not ${"0".repeat(64)}: it is not used\n`,
    });
    expect(existsSync(folder())).toBe(false);
    expect(existsSync(`${folder()}.tar.gz`)).toBe(false);
  });

  test("that has what the image has is refused", async () => {
    release({ "node_modules/x.js": "" }, { "node_modules/y.js": "" });
    expect(await stage.run("place_release", RELEASE)).toEqual({
      code: 1,
      said: '"node_modules" was made by the recipe\'s steps and is also in the release: only one of them can stand there\n',
    });
  });
});

requires("Linux with bash, jq, curl and ss", hasShellPrograms)("an app's variables", () => {
  const ALL = ["machine.sh", "environment.sh"];
  const MULTILINE = "-----BEGIN KEY-----\nsecretline1\nsecretline2\n-----END KEY-----\n";
  const PASSWORD = "p@ss/w:rd?&%#";

  function given(): void {
    stage.write("aws/ssm/landfall/shop/production/secrets/SESSION_KEY", JSON.stringify(MULTILINE));
    stage.write("aws/ssm/landfall/shop/production/secrets/API_TOKEN", JSON.stringify('tok\'en "$HOME" `x` \\'));
    stage.write("aws/ssm/landfall/shop/production/secrets/LEGACY", JSON.stringify("postgres://u:legacypass@h/d"));
    stage.write("aws/secretsmanager/arn:login", JSON.stringify({ username: "a pp", password: PASSWORD, more: 1 }));
    stage.settings = {
      ...stage.settings,
      LANDFALL_PORT: "8080",
      LANDFALL_SECRETS: "SESSION_KEY API_TOKEN",
      LANDFALL_VARIABLES: JSON.stringify({ MODE: "a 'b' \"c\"\n$d", EMPTY: "" }),
      LANDFALL_RESOURCES: [
        "DATABASE_URL postgres arn:login db.example.com:5432/app?sslmode=verify-full&x=1",
        "CACHE_URL rediss arn:login cache.example.com:6379",
        "JOBS_QUEUE_URL plain - https://sqs.example.com/1/jobs",
        "OLD_URL secret /landfall/shop/production/secrets/LEGACY",
      ].join("\n"),
    };
  }

  const variables = () =>
    Object.fromEntries(
      stage
        .read("root/run/landfall/environment")
        .split("\0")
        .filter(Boolean)
        .map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)]),
    );

  test("are gathered as they are, in a file for the app alone", async () => {
    given();
    expect(await stage.run("write_environment", ALL)).toEqual({ code: 0, said: "" });
    expect(variables()).toEqual({
      LANDFALL_APP: "shop",
      LANDFALL_ENVIRONMENT: "production",
      LANDFALL_SERVICE: "web",
      LANDFALL_RELEASE: "7f3c2a",
      LANDFALL_INSTANCE: "i-0123456789abcdef0",
      LANDFALL_DATA: `${stage.root}/var/lib/landfall/data`,
      AWS_REGION: "eu-central-1",
      AWS_DEFAULT_REGION: "eu-central-1",
      HOST: "0.0.0.0",
      PORT: "8080",
      MODE: "a 'b' \"c\"\n$d",
      EMPTY: "",
      SESSION_KEY: MULTILINE,
      API_TOKEN: 'tok\'en "$HOME" `x` \\',
      DATABASE_URL: `postgres://a%20pp:${encodeURIComponent(PASSWORD)}@db.example.com:5432/app?sslmode=verify-full&x=1`,
      CACHE_URL: `rediss://a%20pp:${encodeURIComponent(PASSWORD)}@cache.example.com:6379`,
      JOBS_QUEUE_URL: "https://sqs.example.com/1/jobs",
      OLD_URL: "postgres://u:legacypass@h/d",
    });
    for (const name of ["environment", "secrets"]) expect((statSync(join(stage.root, "run/landfall", name)).mode & 0o777).toString(8)).toBe("400");
    expect(existsSync(join(stage.root, "run/landfall/making"))).toBe(false);
  });

  const SECRET = /secretline|tok'en|tok\\'en|p@ss|p%40ss|legacypass/;

  test("pass no argument, no file outside of memory and no log with a secret in it", async () => {
    given();
    stage.write("root/run/landfall/command", "tr '\\0' ' ' </proc/$$/cmdline; env | grep -c KEY--", 0o644);
    const { said } = await stage.run(
      `write_environment; echo 'x p@ss/w:rd?&%# secretline1 y' | hide_secrets; mkdir -p ${stage.root}/srv/landfall/current; "$lib/run-app"`,
      ALL,
    );
    expect(said).toMatch(/^x \[password of DATABASE_URL\] \[SESSION_KEY\] y\n/);
    expect(stage.called().length).toBeGreaterThan(20);
    expect(stage.called().filter((line) => SECRET.test(line))).toEqual([]);
    // Of the app's own process neither: it has them as variables.
    expect(said.replace(/^x.*\n/, "")).toMatch(/^\/bin\/sh -c tr [^\n]*2\n$/);
    const files = execFileSync("grep", ["-rlE", "secretline|p@ss|p%40ss|legacypass", "root"], { cwd: stage.folder, encoding: "utf8" });
    expect(files.trim().split("\n").sort()).toEqual(["root/run/landfall/environment", "root/run/landfall/secrets"]);
  });

  test("one that was never set is named, and nothing is left half written", async () => {
    given();
    stage.settings.LANDFALL_SECRETS = "SESSION_KEY MISSING";
    const { code, said } = await stage.run("write_environment", ALL);
    expect(code).toBe(1);
    expect(said).toContain("secret MISSING could not be read from /landfall/shop/production/secrets/MISSING: An error occurred (ParameterNotFound)");
    expect(existsSync(join(stage.root, "run/landfall/environment"))).toBe(false);
  });
});

requires("Linux with bash, jq, curl and ss", hasShellPrograms)("local health", () => {
  const HEALTH = ["machine.sh", "health.sh"];

  function check(port: number, more: Record<string, string> = {}): Promise<{ code: number; said: string }> {
    stage.settings = {
      ...stage.settings,
      LANDFALL_PORT: String(port),
      LANDFALL_HEALTH_PATH: "/ready",
      LANDFALL_HEALTH_FROM: "200",
      LANDFALL_HEALTH_TO: "299",
      LANDFALL_HEALTH_INTERVAL_MS: "50",
      LANDFALL_HEALTH_TIMEOUT_MS: "1500",
      LANDFALL_HEALTH_DEADLINE_MS: "30000",
      ...more,
    };
    return stage.run("wait_healthy", HEALTH);
  }
  const why = () => stage.read("root/run/landfall/why").trim();
  const answers = () =>
    stage
      .read("root/run/landfall/answers")
      .trim()
      .split("\n")
      .map((line) => line.split("\t")[1]);

  test("waits until an answer passes", async () => {
    let asked = 0;
    const port = await serve((request, response) => {
      expect(request.url).toBe("/ready");
      asked += 1;
      response.writeHead(asked < 3 ? 503 : 204).end(asked < 3 ? 'database: "rejected"\n' : undefined);
    });
    expect(await check(port)).toMatchObject({ code: 0 });
    expect(answers()).toEqual(['503 "database: \\"rejected\\""', '503 "database: \\"rejected\\""']);
  });

  test("gives up at the deadline, and tells the last answer", async () => {
    const port = await findFreePort();
    expect(await check(port, { LANDFALL_HEALTH_DEADLINE_MS: "200" })).toMatchObject({ code: 1 });
    expect(why()).toBe("no answer passed within 0.2 s; the last was: connection refused");
    expect(stage.read("root/run/landfall/asked")).toBe(`GET http://127.0.0.1:${port}/ready every 0.05 s for 0.2 s; 200-299 within 1.5 s passes\n`);
  });

  test("takes only the statuses of the configuration", async () => {
    const port = await serve((_, response) => response.writeHead(302, { location: "/" }).end());
    expect(await check(port, { LANDFALL_HEALTH_DEADLINE_MS: "100" })).toMatchObject({ code: 1 });
    expect(await check(port, { LANDFALL_HEALTH_TO: "399" })).toMatchObject({ code: 0 });
  });

  test("gives up at once when the process ends again and again", async () => {
    stage.write("restarts", "2\n");
    stage.write("said", "hello\nlandfall-app.service: Main process exited, code=exited, status=7/NOTRUNNING\n");
    expect(await check(await findFreePort())).toMatchObject({ code: 1 });
    expect(why()).toBe("the process ended 2 times, the last time: code=exited, status=7/NOTRUNNING");
  });

  test("takes no answer that shows a secret", async () => {
    stage.write("root/run/landfall/secrets", "TOKEN=hush hush\0PEM=one line\nanother line\0N=1\0");
    const port = await serve((_, response) => response.end(`1 {"env":{"TOKEN":"${"hush hush"}"}}`));
    expect(await check(port)).toMatchObject({ code: 1 });
    expect(why()).toBe("the answer to the health check holds the value of a secret");
  });

  test("of what takes no requests is that it runs on", async () => {
    const { LANDFALL_PORT: _, ...settings } = stage.settings;
    stage.settings = settings;
    expect(await stage.run("settled_ms=300; wait_healthy", HEALTH)).toMatchObject({ code: 0 });
    stage.write("active", "failed\n");
    expect(await stage.run("settled_ms=300; wait_healthy", HEALTH)).toMatchObject({ code: 1 });
  });

  test("that failed is reported without secrets, and signalled once", async () => {
    stage.write("root/run/landfall/secrets", "TOKEN=hush hush\0");
    stage.write("said", 'starting with hush hush\nlast "words"\n');
    await check(await findFreePort(), { LANDFALL_HEALTH_DEADLINE_MS: "120" });
    const { said } = await stage.run("step=health; (fail); (fail) || true", ["boot"]);
    expect(said).toContain('step "health" failed: no answer passed within 0.12 s; the last was: connection refused');
    const report = JSON.parse(stage.read("aws/s3/artifacts/reports/shop-production-service-web/i-0123456789abcdef0.json"));
    expect(report).toMatchObject({
      ok: false,
      step: "health",
      tail: ["starting with [TOKEN]", 'last "words"'],
      why: "no answer passed within 0.12 s; the last was: connection refused",
      service: "web",
      release: "7f3c2a",
      instance: "i-0123456789abcdef0",
    });
    expect(report.answered).toHaveLength(1);
    expect(report.answered[0]).toMatch(/^\d+ times from 0\.\d s to 0\.\d s: connection refused$/);
    const signals = stage.called().filter((line) => line.includes("signal-resource"));
    expect(signals).toHaveLength(1);
    expect(signals[0]).toContain(
      "--stack-name shop-production-service-web --logical-resource-id BlueGroup --unique-id i-0123456789abcdef0 --status FAILURE",
    );
  });
});

requires("Linux with bash, jq, curl and ss", hasShellPrograms)("shipping the log", () => {
  const entry = (cursor: number, message: unknown, more: Record<string, unknown> = {}) =>
    JSON.stringify({
      __CURSOR: String(cursor),
      __REALTIME_TIMESTAMP: String(1_790_000_000_000_000 + cursor * 1000),
      _SYSTEMD_UNIT: "landfall-app.service",
      MESSAGE: message,
      ...more,
    });

  interface Batch {
    logGroupName: string;
    logStreamName: string;
    logEvents: { timestamp: number; message: string }[];
  }
  const batches = (): Batch[] =>
    stage
      .read("aws/events")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Batch);
  const ship = () => {
    stage.write(
      "root/etc/landfall/settings",
      Object.entries(stage.settings)
        .map(([name, value]) => `${name}='${value}'\n`)
        .join(""),
    );
    return stage.spawn(join(stage.root, "usr/local/lib/landfall/ship-logs"), ["once"]);
  };

  test("makes a stream for each unit, and says in it what was said, in the order of time", async () => {
    stage.write(
      "journal",
      [
        entry(1, "one"),
        entry(3, "three"),
        entry(2, "two"),
        entry(4, ""),
        entry(5, [104, 105, 255]),
        entry(6, "up", { _SYSTEMD_UNIT: "landfall-boot.service" }),
        entry(7, "Started app.", { _SYSTEMD_UNIT: "init.scope", UNIT: "landfall-app.service" }),
      ].join("\n"),
    );
    expect(await ship()).toMatchObject({ code: 0 });
    expect(batches().map(({ logStreamName, logEvents }) => [logStreamName, logEvents.map(({ message }) => message)])).toEqual([
      ["i-0123456789abcdef0/app", ["one", "two", "three", "hi\ufffd", "Started app."]],
      ["i-0123456789abcdef0/boot", ["up"]],
    ]);
    expect(batches()[0]).toMatchObject({
      logGroupName: "/landfall/shop/production/web",
      logEvents: [{ timestamp: 1_790_000_000_001 }, {}, {}, {}, {}],
    });
    expect(stage.read("root/var/lib/landfall/log-cursor").trim()).toBe("7");
  });

  test("keeps within what one call takes", async () => {
    const lines = [
      ...Array.from({ length: 10_500 }, (_, index) => entry(index + 1, `line ${index}`)),
      ...Array.from({ length: 30 }, (_, index) => entry(20_000 + index, "ü".repeat(50_000))),
      entry(30_000, "ü".repeat(400_000)),
    ];
    stage.write("journal", lines.join("\n"));
    expect(await ship()).toMatchObject({ code: 0 });
    const all = batches();
    expect(all.length).toBeGreaterThan(4);
    for (const { logEvents } of all) {
      const sizes = logEvents.map(({ message }) => Buffer.byteLength(message) + 26);
      expect(logEvents.length).toBeLessThanOrEqual(10_000);
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1_048_576);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(262_144);
      expect(logEvents.map(({ timestamp }) => timestamp)).toEqual(logEvents.map(({ timestamp }) => timestamp).sort((a, b) => a - b));
    }
    expect(all.flatMap(({ logEvents }) => logEvents)).toHaveLength(lines.length);
  });

  test("goes on where it was delivered to, and not before", async () => {
    stage.write("journal", [entry(1, "one"), entry(2, "two")].join("\n"));
    await ship();
    stage.write("journal", [entry(1, "one"), entry(2, "two"), entry(3, "three")].join("\n"));
    stage.write("aws/broken", "ThrottlingException");
    const shipping = ship();
    await expect.poll(() => stage.called().filter((line) => line.includes("put-log-events")).length, { timeout: 20_000 }).toBeGreaterThan(3);
    expect(stage.read("root/var/lib/landfall/log-cursor").trim()).toBe("2");
    rmSync(join(stage.folder, "aws/broken"));
    expect(await shipping).toMatchObject({ code: 0, said: expect.stringContaining("the log could not be shipped; once more in 1 s") });
    expect(batches().map(({ logEvents }) => logEvents.map(({ message }) => message))).toEqual([["one", "two"], ["three"]]);
    expect(stage.read("root/var/lib/landfall/log-cursor").trim()).toBe("3");
  });
});

requires("Linux with bash, jq, curl and ss", hasShellPrograms)("metrics", () => {
  test("are what this machine has", async () => {
    const { said } = await stage.run("source $lib/ship-metrics; measure");
    const metrics = JSON.parse(said) as { MetricName: string; Value: number; Dimensions: unknown }[];
    expect(metrics.map(({ MetricName }) => MetricName)).toEqual(["MemoryUsed", "DiskUsed", "LoadPerCore"]);
    expect(metrics[0]).toMatchObject({ Dimensions: [{ Name: "Service", Value: "web" }], Unit: "Percent" });
    for (const { Value } of metrics.slice(0, 2)) expect(Value > 0 && Value <= 100).toBe(true);
  });
});

requires("Linux with bash, jq, curl and ss", hasShellPrograms)("draining", () => {
  test("asks until it may, tells, waits for what is in hand, stops, and completes the hook", async () => {
    const events: string[] = [];
    let asked = 0;
    let finish = () => {};
    const port = await serve((request, response) => {
      if (request.url === "/deploy/ready") {
        asked += 1;
        events.push(`ask ${asked}`);
        response.writeHead(asked < 3 ? 503 : 200).end("uploading");
      } else if (request.url === "/deploy/drain") {
        events.push(`told by ${request.method}`);
        response.end();
      } else {
        response.write("beginning");
        finish = () => response.end("end");
      }
    });
    // A balancer's connection that carries nothing does not count.
    const idle = connect(port, "127.0.0.1");
    const busy = fetch(`http://127.0.0.1:${port}/slow`).then((answer) => answer.text());
    Object.assign(stage.settings, {
      LANDFALL_PORT: String(port),
      LANDFALL_DRAIN_ASK: "/deploy/ready",
      LANDFALL_DRAIN_START: "/deploy/drain",
      LANDFALL_DRAIN_TIMEOUT_MS: "20000",
    });
    stage.write(
      "root/etc/landfall/settings",
      Object.entries(stage.settings)
        .map(([name, value]) => `${name}='${value}'\n`)
        .join(""),
    );
    stage.write("journal", "");
    const text = stage
      .read("root/usr/local/lib/landfall/drain")
      .replace("poll_s=2", "poll_s=0.1")
      .replace("ask_s=1", "ask_s=0.1")
      .replace("heartbeat_s=30", "heartbeat_s=0.2");
    stage.write("root/usr/local/lib/landfall/drain", text, 0o755);
    const draining = stage.spawn(join(stage.root, "usr/local/lib/landfall/drain"));
    stage.metadata["autoscaling/target-lifecycle-state"] = "Terminated";
    await expect.poll(() => events.length, { timeout: 20_000 }).toBe(4);
    expect(events).toEqual(["ask 1", "ask 2", "ask 3", "told by POST"]);
    await expect
      .poll(() => stage.called().filter((line) => line.includes("record-lifecycle-action-heartbeat")).length, { timeout: 20_000 })
      .toBeGreaterThan(0);
    expect(stage.called().filter((line) => line.includes("stop landfall-app.service"))).toEqual([]);
    finish();
    expect(await busy).toBe("beginningend");
    const { code, said } = await draining;
    expect({ code, said }).toEqual({
      code: 0,
      said: "the group ends this instance\nnot yet: 503 uploading\nthe app says it may be stopped\nthe app has stopped\n",
    });
    idle.destroy();
    const order = stage.called().flatMap((line) => /stop landfall-app|complete-lifecycle-action.*/.exec(line)?.[0] ?? []);
    expect(order).toEqual([
      "stop landfall-app",
      "complete-lifecycle-action --auto-scaling-group-name web-group --lifecycle-hook-name drain --instance-id i-0123456789abcdef0 --lifecycle-action-result CONTINUE",
    ]);
  });
});
