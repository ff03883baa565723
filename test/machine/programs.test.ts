// The programs of a machine, run for what they do: with a real app where they ask one, and a stand-in for the command line of AWS.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
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

  test("is built on copies of what the image has, and keeps of them what the build has changed", async () => {
    release(
      { "web.js": "", "package.json": "{}" },
      {
        "package.json": "{}",
        "node_modules/pg/index.js": "",
        ".venv/bin/pip": "#!/opt/landfall/image/.venv/bin/python",
        "pruned/x": "",
        "gone/x": "",
        "front/node_modules/x.js": "",
      },
      "package.json\n",
    );
    const build = [
      'mkdir -p "$releases/7f3c2a"; echo "{}" >"$releases/7f3c2a/package.json"; cd "$releases/7f3c2a"',
      'place_image copy_entry "$PWD" "$image" ""; cat .venv/bin/pip; touch ../mark; sleep 0.1',
      'echo client >node_modules/client; rm pruned/x; rm -r gone; keep_changed "$PWD" ../mark; ls -A; cat .landfall-built',
    ];
    const built = ["gone", "node_modules", "pruned"];
    const { said } = await stage.run(build.join("\n"), RELEASE);
    expect(said.split("\n")).toEqual([
      "#!/srv/landfall/releases/7f3c2a/.venv/bin/python.landfall-built",
      ...["node_modules", "package.json", "pruned"],
      ...built,
      "",
    ]);
    expect(existsSync(join(stage.root, "opt/landfall/image/node_modules/client"))).toBe(false);
    // As it arrives on an instance.
    const archive = execFileSync("tar", ["-cz", "-C", folder(), "."]);
    stage.settings.LANDFALL_RELEASE_SHA256 = createHash("sha256").update(archive).digest("hex");
    stage.write("aws/s3/artifacts/releases/7f3c2a/x.tar.gz", archive);
    expect(await stage.run("place_release", RELEASE)).toEqual({ code: 0, said: "" });
    expect(readFileSync(join(folder(), "node_modules/client"), "utf8")).toBe("client\n");
    expect(readdirSync(folder()).sort()).toEqual([".venv", "front", "node_modules", "package.json", "pruned"]);
    expect(readlinkSync(join(folder(), ".venv"))).toBe("/opt/landfall/image/.venv");
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

  test("leave the programs of its dependencies before those of the machine", async () => {
    stage.write("root/srv/landfall/current/node_modules/.bin/jq", "#!/bin/sh\necho of the release", 0o755);
    expect(await stage.run('write_environment; "$lib/run-app" jq', ALL)).toEqual({ code: 0, said: "of the release\n" });
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

  function check(port: number, more: Record<string, string> = {}, step = "wait_healthy"): Promise<{ code: number; said: string }> {
    stage.settings = {
      ...stage.settings,
      LANDFALL_PORT: String(port),
      LANDFALL_HEALTH_PATH: "/ready",
      LANDFALL_HEALTH_FROM: "200",
      LANDFALL_HEALTH_TO: "299",
      LANDFALL_HEALTH_INTERVAL_MS: "50",
      LANDFALL_HEALTH_TIMEOUT_MS: "1500",
      LANDFALL_HEALTH_DEADLINE_MS: "30000",
      LANDFALL_HEALTH_UNHEALTHY_AFTER: "3",
      LANDFALL_STEADY_FOR_MS: "1000",
      ...more,
    };
    return stage.run(step, HEALTH);
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

  test("has to hold for the whole window, which one failed check begins anew", async () => {
    let asked = 0;
    let failedAt = 0;
    const port = await serve((_, response) => {
      asked += 1;
      if (asked === 4) failedAt = Date.now();
      response.writeHead(asked === 4 ? 500 : 200).end();
    });
    expect(await check(port, {}, "wait_steady")).toMatchObject({ code: 0 });
    expect(Date.now() - failedAt).toBeGreaterThan(1_000);
    expect(answers()).toEqual(['500 ""']);
  });

  test("that fails again as often as the balancer allows is given up", async () => {
    let asked = 0;
    const port = await serve((_, response) => {
      asked += 1;
      response.writeHead(asked > 3 ? 500 : 200).end(asked > 3 ? "the pool is exhausted\n" : "ok\n");
    });
    expect(await check(port, {}, "wait_steady")).toMatchObject({ code: 1 });
    expect(why()).toBe('it passed its health check, and then failed it; the last answer was: 500 "the pool is exhausted"');
    expect(stage.read("root/run/landfall/asked")).toMatch(/^to stay up for 1 s\nGET http/);
    expect(asked).toBe(6);
  });

  test("of what takes no requests is that it stays up for the window", async () => {
    const { LANDFALL_PORT: _, ...settings } = stage.settings;
    stage.settings = { ...settings, LANDFALL_STEADY_FOR_MS: "1200" };
    const began = Date.now();
    expect(await stage.run("wait_steady", HEALTH)).toMatchObject({ code: 0 });
    expect(Date.now() - began).toBeGreaterThan(1_200);
    // It ends a moment after its start, well or not.
    const ending = stage.run("wait_steady", HEALTH);
    await new Promise((resolve) => setTimeout(resolve, 600));
    stage.write("said", "landfall-app.service: Main process exited, code=exited, status=0/SUCCESS\n");
    stage.write("active", "activating\n");
    expect(await ending).toMatchObject({ code: 1 });
    expect(why()).toBe("the process ended soon after its start: code=exited, status=0/SUCCESS");
    stage.write("active", "failed\n");
    expect(await stage.run("wait_steady", HEALTH)).toMatchObject({ code: 1 });
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

requires("Linux with bash, jq, curl and ss", hasShellPrograms)("a service with a lease", () => {
  const BOUND = "[Unit]\nBindsTo=landfall-lease.service\nAfter=landfall-lease.service\n";
  const dropIn = (unit: string) => stage.read(`root/run/systemd/system/${unit}.d/settings.conf`);
  const units = () => stage.called().flatMap((line) => /^ systemctl (.*landfall-(?:app|job|lease)\.\w+)$/.exec(line)?.[1] ?? []);

  test.each([
    ["app.service", {}],
    ["job.timer", { LANDFALL_SCHEDULE: "*-*-* 03:15:00 UTC", LANDFALL_JOB_TIMEOUT_MS: "60000" }],
  ])("runs only while that is held, comes back with it, and gives it back last (%s)", async (started, schedule) => {
    const lease = { LANDFALL_LEASE_KEY: "singletons/production/web.json", LANDFALL_STOP_TIMEOUT_MS: "10000", LANDFALL_STOP_SIGNAL: "SIGTERM" };
    stage.settings = { ...stage.settings, ...lease, ...schedule };
    expect(await stage.run("take_lease; write_drop_ins; stop_app", ["boot"])).toEqual({ code: 0, said: "" });
    expect(dropIn("landfall-app.service")).toMatch(BOUND);
    expect(dropIn("landfall-lease.service")).toBe(`[Unit]\nWants=landfall-${started}\n`);
    if (started === "job.timer") expect(dropIn("landfall-job.timer")).toMatch(BOUND);
    expect(units()).toEqual([
      "start --job-mode=ignore-requirements landfall-lease.service",
      ...(started === "job.timer" ? ["stop landfall-job.timer"] : []),
      "stop landfall-app.service",
      "stop landfall-lease.service",
    ]);
  });

  test("that has none is not bound to any", async () => {
    stage.settings = { ...stage.settings, LANDFALL_STOP_TIMEOUT_MS: "10000", LANDFALL_STOP_SIGNAL: "SIGTERM" };
    expect(await stage.run("take_lease; write_drop_ins; stop_app", ["boot"])).toEqual({ code: 0, said: "" });
    expect(dropIn("landfall-app.service")).not.toContain("BindsTo");
    expect(units().filter((line) => line.includes("lease"))).toEqual([]);
  });
});

requires("Linux with bash, jq, curl and ss", hasShellPrograms)("coming into service", () => {
  const why = () => stage.read("root/run/landfall/why").trim();
  const counted = (words: string) => stage.called().filter((line) => line.includes(words)).length;
  const enter = (lines = "") => stage.run(`look_s=0.1; ${lines} enter_service`, ["boot"]);

  test("completes the hook once it holds the instance, and waits until it is in service", async () => {
    stage.write("aws/state", "Pending\n");
    const entering = enter();
    // AWS would refuse it: the group does not hold the instance yet.
    await expect.poll(() => counted("describe-auto-scaling-instances"), { timeout: 20_000 }).toBeGreaterThan(3);
    expect(counted("complete-lifecycle-action")).toBe(0);
    stage.write("aws/state", "Pending:Wait\n");
    expect(await entering).toMatchObject({ code: 0 });
    expect(stage.called().filter((line) => line.includes("complete-lifecycle-action"))).toEqual([
      expect.stringContaining(
        "--auto-scaling-group-name web-group --lifecycle-hook-name boot --instance-id i-0123456789abcdef0 --lifecycle-action-result CONTINUE",
      ),
    ]);
  });

  test("has no hook to complete where it has been in service, and asks nobody", async () => {
    stage.write("aws/state", "InService\n");
    expect(await enter()).toMatchObject({ code: 0 });
    expect(counted("complete-lifecycle-action")).toBe(0);
    // After a reboot nothing of it may keep a working app down.
    stage.write("root/var/lib/landfall/told-i-0123456789abcdef0", "SUCCESS\n");
    stage.write("aws/broken", "ServiceUnavailable");
    stage.settings = { ...stage.settings, LANDFALL_TARGET_GROUP: "arn:group", LANDFALL_ATTACH_MS: "0" };
    const asked = counted("aws");
    expect(await enter("wait_for_balancer;")).toMatchObject({ code: 0 });
    expect(counted("aws")).toBe(asked);
  });

  test("is given up when the group ends the instance, or does not take it in time", async () => {
    stage.write("aws/state", "Terminating\n");
    expect(await enter()).toMatchObject({ code: 1 });
    expect(why()).toBe("its group does not take it into service: it is Terminating");
    stage.write("aws/broken", "ServiceUnavailable");
    expect(await enter("service_ms=200;")).toMatchObject({ code: 1 });
    expect(why()).toBe("its group does not take it into service: it is unknown");
  });

  test("is complete when the balancer finds it healthy", async () => {
    stage.settings = { ...stage.settings, LANDFALL_TARGET_GROUP: "arn:group", LANDFALL_ATTACH_MS: "600000" };
    stage.write("aws/health", "initial\tElb.RegistrationInProgress\tTarget registration is in progress\n");
    const waiting = stage.run("look_s=0.1; wait_for_balancer", ["boot"]);
    await expect.poll(() => counted("describe-target-health"), { timeout: 20_000 }).toBeGreaterThan(2);
    stage.write("aws/health", "healthy\tNone\tNone\n");
    expect(await waiting).toMatchObject({ code: 0 });
    expect(stage.called().find((line) => line.includes("elbv2"))).toContain("--target-group-arn arn:group --targets Id=i-0123456789abcdef0");
  });

  test("tells what the balancer finds when it does not find it healthy in time", async () => {
    stage.settings = { ...stage.settings, LANDFALL_TARGET_GROUP: "arn:group", LANDFALL_ATTACH_MS: "200" };
    stage.write("aws/health", "unhealthy\tTarget.Timeout\tRequest timed out\n");
    expect(await stage.run("look_s=0.1; wait_for_balancer", ["boot"])).toMatchObject({ code: 1 });
    expect(why()).toBe("it passes its health check, but not the balancer's, which says: unhealthy Target.Timeout Request timed out");
    expect(stage.read("root/run/landfall/asked")).toBe("the balancer, which has to find it healthy within 0.2 s\n");
  });

  test("is for what goes on running: one that ended while nobody looked is given up", async () => {
    stage.settings = { ...stage.settings, LANDFALL_TARGET_GROUP: "arn:group", LANDFALL_ATTACH_MS: "600000", LANDFALL_STEADY_FOR_MS: "600000" };
    stage.write("aws/health", "unhealthy\tTarget.FailedHealthChecks\tNone\n");
    stage.write("restarts", "1\n");
    stage.write("said", "landfall-app.service: Main process exited, code=exited, status=4/NOPERMISSION\n");
    for (const step of ["wait_steady", "wait_for_balancer"]) {
      expect(await stage.run(`look_s=0.1; ${step}`, ["boot"])).toMatchObject({ code: 1 });
      expect(why()).toBe("the process ended soon after its start: code=exited, status=4/NOPERMISSION");
    }
    // What happened before it was healthy is forgiven.
    stage.write("aws/health", "healthy\tNone\tNone\n");
    stage.settings = { ...stage.settings, LANDFALL_STEADY_FOR_MS: "1" };
    expect(await stage.run("exits_before=1; wait_steady && wait_for_balancer", ["boot"])).toMatchObject({ code: 0 });
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
