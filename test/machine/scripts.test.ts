// What runs on machines, looked at without running it: by the shell, by shellcheck, by systemd, and for its size.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { deploymentOf } from "../../src/config/deployment.ts";
import { loadConfig } from "../../src/config/load.ts";
import { bakeScript, bootScript, imageHash, taskScript } from "../../src/machine/index.ts";
import { PROGRAMS, SOURCED, UNITS } from "../../src/machine/programs.ts";
import { calendarsOf } from "../../src/machine/schedule.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { FULL, production, SMALL } from "../targets/aws/templates/apps.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(ROOT, "src/machine/programs");
const folder = mkdtempSync(join(tmpdir(), "landfall-scripts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const release = { id: "7f3c2a1b0d", key: `releases/7f3c2a1b0d/${"a".repeat(64)}.tar.gz`, sha256: "a".repeat(64) };
const facts = { id: "bake-1", bucket: "artifacts", region: "eu-central-1", minutesMax: 30 };
const archive = { key: `recipes/0/${"b".repeat(64)}.tar.gz`, sha256: "b".repeat(64) };
const full = production(FULL);
const odd = production({
  name: "odd",
  recipe: { files: ["it's.txt"], steps: ["echo 'END_OF_FILE' \"$HOME\"", "true # `date` $(date)"] },
  services: { web: { command: "echo 'it''s' $PORT", port: 80, environment: { QUOTES: "'\"`$(x)\n\\", EMPTY: "" } } },
  environments: { production: { target: "aws" } },
});

const texts: [string, string][] = [
  ...[full, production(SMALL), odd].flatMap((deployment): [string, string][] => [
    [`bake ${deployment.app}`, bakeScript(deployment)],
    ...Object.keys(deployment.services).map((service): [string, string] => [
      `boot ${deployment.app} ${service}`,
      `#!/bin/bash\n${bootScript({ deployment, service, release })}`,
    ]),
  ]),
  ["task bake", taskScript({ ...facts, kind: "bake", archive, release })],
  [
    "task build",
    taskScript({ ...facts, kind: "build", archive, release: release.id, steps: ["node 'build'.js", "echo $HOME"], variables: { TITLE: "it's" } }),
  ],
  [
    "task phase",
    taskScript({
      ...facts,
      kind: "phase",
      release,
      command: 'node migrate.js --say "it\'s"',
      timeoutMs: 120_000,
      secrets: ["SESSION_KEY"],
      variables: { MODE: "production" },
      settings: { app: "shop", environment: "production", secretsPath: "/landfall/shop/production/secrets/", resources: "" },
    }),
  ],
];

const files = texts.map(([name, text]) => {
  const file = join(folder, `${name.replaceAll(" ", "-")}.sh`);
  writeFileSync(file, text);
  return [name, file] as const;
});

describe("scripts", () => {
  test.each(files)("are read by bash: %s", (_, file) => {
    expect(spawnSync("bash", ["-n", file], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  });

  test("are the same text each time", () => {
    expect(bakeScript(full)).toBe(bakeScript(structuredClone(full)));
    expect(bootScript({ deployment: full, service: "web", release })).toBe(
      bootScript({ deployment: structuredClone(full), service: "web", release }),
    );
  });

  test("hold whatever a configuration says", () => {
    const script = bootScript({ deployment: odd, service: "web", release }).replace(
      /^exec .*$/m,
      'printf "%s|%s" "$LANDFALL_COMMAND" "$LANDFALL_VARIABLES"',
    );
    const said = execFileSync("bash", ["-c", script], { encoding: "utf8" });
    expect(said).toBe(`echo 'it''s' $PORT|${JSON.stringify({ QUOTES: "'\"`$(x)\n\\", EMPTY: "" })}`);
  });

  test("are those of the folder, all of them", () => {
    const known = [
      ...PROGRAMS.map(({ file }) => file),
      ...SOURCED,
      ...UNITS,
      "bake.sh",
      "one-off-task.sh",
      "journald.conf",
      "proxy.conf",
      "run-container.sh",
    ];
    expect(readdirSync(FOLDER).sort()).toEqual(known.sort());
  });

  requires("shellcheck on PATH", isOnPath("shellcheck"))("to shellcheck", () => {
    test("have nothing to complain about", () => {
      const programs = readdirSync(FOLDER).filter((name) => name.endsWith(".sh") && name !== "bake.sh");
      expect(complaints(programs.map((name) => join(FOLDER, name)))).toBe("");
      // Variables are for the programs that come later; what is quoted in them is theirs to expand.
      expect(complaints(["--exclude=SC2034,SC2016", ...files.map(([, file]) => file)])).toBe("");
    });
  });
});

const complaints = (args: string[]): string =>
  spawnSync("shellcheck", ["--norc", "--external-sources", ...args], { encoding: "utf8", cwd: FOLDER }).stdout;

describe("an image's hash", () => {
  const source = { description: "", suspicious: [], files: [] };

  test("is that of the recipe and of what is put on a machine", async () => {
    const app = full;
    const hash = await imageHash(app, source);
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(await imageHash({ ...app, recipe: { ...app.recipe, packages: ["ffmpeg"] } }, source)).not.toBe(hash);
    expect(await imageHash({ ...app, resources: {} }, source)).not.toBe(hash);
  });

  test("is the same whatever only an environment or a release decides", async () => {
    const { web, ...services } = full.services;
    const changed = {
      ...full,
      services: { ...services, web: { ...web!, command: "other", secrets: [] } },
      rollout: production(SMALL).rollout,
    };
    expect(await imageHash(changed, source)).toBe(await imageHash(full, source));
  });
});

describe("user data", () => {
  const examples = readdirSync(join(ROOT, "examples")).map((name) => join(ROOT, "examples", name));
  /** EC2's limit, before the encoding: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html */
  const BYTES_MAX = 16 * 1024;

  /** Of all services, as their stacks have it; what CloudFormation fills in is taken to be as long as the ARN of a secret. */
  const sizesOf = (deployment: typeof full): number[] => {
    const running = Object.fromEntries(
      Object.keys(deployment.services).map((service) => [
        service,
        { blue: { release: release.id, image: "ami-0123456789abcdef0", script: bootScript({ deployment, service, release }) } },
      ]),
    );
    return makeStacks(deployment, running)
      .flatMap(({ body }) => Object.values((JSON.parse(body) as { Resources: Record<string, Template> }).Resources))
      .flatMap(({ Properties }) => Properties?.LaunchTemplateData?.UserData ?? [])
      .map((data) => data["Fn::Base64"]["Fn::Join"][1].map((part) => (typeof part === "string" ? part : "x".repeat(130))).join(""))
      .map((text) => Buffer.byteLength(text));
  };

  test.each(examples)("is within the limit for %s", async (example) => {
    const { app } = await loadConfig(join(example, "landfall.config.ts"));
    const sizes = sizesOf(deploymentOf({ ...app, environments: { production: full.settings } }, "production"));
    expect(sizes).toHaveLength(Object.keys(app.services).length);
    expect(Math.max(...sizes)).toBeLessThan(BYTES_MAX);
  });

  test("is within the limit for an app with everything, and for one-off tasks", () => {
    expect(Math.max(...sizesOf(full))).toBeLessThan(BYTES_MAX);
    for (const [name, text] of texts) if (name.startsWith("task")) expect(Buffer.byteLength(text), name).toBeLessThan(BYTES_MAX);
  });

  test("begins as a script", () => {
    for (const [name, text] of texts) expect(text, name).toMatch(/^#!\/bin\/bash\n/);
  });
});

interface Template {
  Properties?: { LaunchTemplateData?: { UserData?: { "Fn::Base64": { "Fn::Join": [string, (string | object)[]] } } } };
}

/** The score of `systemd-analyze security`: 0 is shut off from everything, 10 is open. The start of an instance is an administrator's work. */
const EXPOSURE: Record<string, number> = {
  "landfall-app.service": 1.5,
  "landfall-proxy.service": 1.5,
  "landfall-drain.service": 2.5,
  "landfall-lease.service": 2.6,
  "landfall-logs.service": 2.5,
  "landfall-metrics.service": 2.5,
  "landfall-boot.service": 7,
};

requires("systemd-analyze on PATH", isOnPath("systemd-analyze"))("units", () => {
  test("every service has a score to keep", () => {
    expect(Object.keys(EXPOSURE).sort()).toEqual(UNITS.filter((unit) => unit.endsWith(".service")));
  });

  test.each(Object.entries(EXPOSURE))("%s is exposed by at most %s", (unit, score) => {
    const { stdout, status } = spawnSync(
      "systemd-analyze",
      ["security", "--offline=true", `--threshold=${score * 10}`, "--no-pager", join(FOLDER, unit)],
      {
        encoding: "utf8",
      },
    );
    expect({ status, last: /Overall exposure level.*/.exec(stdout)?.[0] }).toMatchObject({ status: 0, last: expect.stringContaining(unit) });
  });

  test.each(UNITS)("%s is a unit to systemd", (unit) => {
    mkdirSync(join(folder, "landfall-job.timer.d"), { recursive: true });
    const calendars = calendarsOf("15 3 1,L * 1-5").map((calendar) => `OnCalendar=${calendar}\n`);
    writeFileSync(join(folder, "landfall-job.timer.d/settings.conf"), `[Timer]\n${calendars.join("")}`);
    // Programs that an image has are taken for those that any machine has, and its user for root.
    for (const name of UNITS) {
      const text = execFileSync("cat", [join(FOLDER, name)], { encoding: "utf8" });
      const here = text.replace(/^(Exec(Start|Stop)=)\S+/gm, "$1/bin/true").replace(/^(User|Group)=.*$/gm, "$1=root");
      // Of systemd 254 and later; Debian 13 has 257.
      writeFileSync(join(folder, name), here.replace(/^Restart(Steps|MaxDelaySec)=.*\n/gm, ""));
    }
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--recursive-errors=no", "--man=no", join(folder, unit)], {
      encoding: "utf8",
    });
    expect({ status, stderr: stderr.split("\n").filter((line) => line.includes("landfall")) }).toEqual({ status: 0, stderr: [] });
  });
});
