// The laws of the contract (src/targets/target.ts): what every target answers in the same way, whatever it is made of. A target joins by one
// function that gives its ground. The laws of one ground share one environment, from before it stands until it is gone, and run in that order.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { validateText } from "../../src/config/check.ts";
import { deploymentOf } from "../../src/config/deployment.ts";
import type { AppInput } from "../../src/config/schema.ts";
import { type ErrorParts, LandfallError } from "../../src/error.ts";
import type { Progress } from "../../src/progress.ts";
import type { DeployReport, LogFilter } from "../../src/reports.ts";
import type { DeployOptions, EnvironmentTarget, OpenTarget, TargetInput } from "../../src/targets/target.ts";

/** What a target gives to be held to the laws. */
export interface Ground {
  /** What landfall.config.ts says of the environment. */
  environment: NonNullable<AppInput["environments"]>[string];
  open: OpenTarget;
  /** Runs `act` while another operation, called "deploy", holds the environment. */
  hold<T>(input: TargetInput, act: () => Promise<T>): Promise<T>;
  /** How many instances of the service are replaced at once, by what the last rollout said or left. */
  batchOf(input: TargetInput, service: string, said: Progress[]): Promise<number>;
  /** The status that a request from outside gets. */
  ask(input: TargetInput, path: string): Promise<number>;
  /** Runs `act`, which deploys a program that ends at once, where such a program would not run by itself. */
  whileNothingStarts<T>(act: () => Promise<T>): Promise<T>;
  /** Where apps are played: whether they allow their end, or say 503 with "yes". */
  playNotYet?(isOn: boolean): void;
  /** After the environment is gone. */
  end(): Promise<void>;
}

const NAME = "production";

interface Collecting extends Writable {
  bytes(): Buffer;
}

function collecting(): Collecting {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  return Object.assign(stream, { bytes: () => Buffer.concat(chunks) });
}

/** For a command whose output is of no interest. */
const SILENT = { stdout: collecting(), stderr: collecting() };

/** As people write one: an `@` in it is not encoded. */
const PASSWORD = "xyzzy@plugh%2Fquux";
/** The image takes so long to make, so that a duration which leaves it out is seen. */
const IMAGE_MS = 3_000;
const SLACK_MS = 2_000;

/** It does not allow its end while there is a file called `notYet`. */
const webOf = (notYet: string) => `import { existsSync } from "node:fs";
import { createServer } from "node:http";
createServer(({ url }, response) => {
  response.statusCode = url === "/may-i" && existsSync(${JSON.stringify(notYet)}) ? 503 : 200;
  response.end("yes");
}).listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
`;
const BROKEN = "process.exit(1);\n";
const WORKER = `console.log("works");
setInterval(() => {}, 1000);
process.on("SIGTERM", () => process.exit(0));
`;

/** The services, in the order of their names. */
const SERVICES = ["nightly", "scheduler", "web", "worker"];

const HEALTH = { interval: "200ms", steadyFor: "300ms" } as const;

function appOf(environment: Ground["environment"], cache: number): AppInput {
  const health = HEALTH;
  return {
    name: "laws",
    recipe: { steps: [`sleep ${IMAGE_MS / 1000}`] },
    resources: { jobs: { type: "queue" }, sessions: { type: "cache", url: `redis://app:${PASSWORD}@127.0.0.1:${cache}` } },
    services: {
      web: { command: "exec node web.mjs", port: 8080, instances: { min: 1, max: 3 }, health, stop: { timeout: "3s" } as const },
      worker: { command: "exec node worker.mjs", instances: { min: 1, max: 3 }, health, stop: { timeout: "3s" } as const },
      scheduler: { command: "exec node worker.mjs", singleton: true, health, stop: { timeout: "3s" } as const },
      nightly: { command: "true", schedule: "0 3 * * *" },
    },
    rollout: { strategy: "rolling", batch: "50%" },
    environments: { [NAME]: environment },
  };
}

type Act = (target: EnvironmentTarget) => Promise<unknown>;

const readLogs = async (target: EnvironmentTarget, filter: LogFilter) => {
  const lines: string[] = [];
  for await (const { line } of target.logs(filter)) lines.push(line);
  return lines;
};

/** The methods that need an environment that stands, with what is right and with what is not: that it does not stand comes first. */
const NEEDS_ENVIRONMENT: [what: string, act: Act][] = [
  ["deploy", (target) => target.deploy({ dirty: true })],
  ["deploy with force", (target) => target.deploy({ dirty: true, force: true })],
  ["deploy of an unknown commit", (target) => target.deploy({ ref: "no-such-branch" })],
  ["rollback", (target) => target.rollback({})],
  ["rollback to an unknown release", (target) => target.rollback({ to: "0123abc" })],
  ["resume", (target) => target.resume()],
  ["abort", (target) => target.abort()],
  ["scale", (target) => target.scale({ web: 2 })],
  ["scale of an unknown service", (target) => target.scale({ wbe: 2 })],
  ["exec", (target) => target.exec("web", ["true"], SILENT)],
  ["exec of an unknown service", (target) => target.exec("wbe", ["true"], SILENT)],
  ["logs", (target) => readLogs(target, {})],
  ["logs of an unknown service", (target) => readLogs(target, { service: "wbe" })],
  ["events", (target) => target.events({})],
];

const UNDER_LEASE: [what: string, act: Act][] = [
  ["commission", (target) => target.commission()],
  ["deploy", (target) => target.deploy({ dirty: true })],
  ["rollback", (target) => target.rollback({})],
  ["resume", (target) => target.resume()],
  ["scale", (target) => target.scale({ web: 1 })],
  ["decommission", (target) => target.decommission({})],
  ["clean", (target) => target.clean()],
];

/** Rejects with what was refused, as data. */
async function refusalOf(act: () => Promise<unknown>): Promise<ErrorParts | "it was not refused"> {
  try {
    await act();
  } catch (error) {
    if (error instanceof LandfallError) return error.parts;
    throw error;
  }
  return "it was not refused";
}

const NOTHING_CHANGED = expect.stringContaining("Nothing was changed.");

export function holdToLaws(begin: () => Promise<Ground>): void {
  let ground: Ground;
  let folder = "";
  let cache: Server;
  let app: AppInput;
  const progress: Progress[] = [];

  const inputOf = (own: AppInput = app, more: Partial<TargetInput> = {}): TargetInput => ({
    deployment: deploymentOf(validateText(`export default ${JSON.stringify(own)}`, "landfall.config.ts", own), NAME),
    folder,
    emit: (event) => void progress.push(event),
    ...more,
  });
  /** Anew for each call, as each command does it. */
  const open = (own?: AppInput, more?: Partial<TargetInput>) => ground.open(inputOf(own, more));
  /** In no release. */
  const notYet = () => join(folder, ".git", "not-yet");
  const write = (version: string) => writeFileSync(join(folder, "version.txt"), version);
  const refused = (act: Act, own?: AppInput) => refusalOf(() => act(open(own)));
  const withWeb = (more: object): AppInput => ({
    ...app,
    services: { ...app.services, web: { ...(app.services.web as object), command: "exec node web.mjs", ...more } },
  });
  const wantedOf = async (service: string) => (await open().status()).services.find(({ name }) => name === service)?.wanted;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "landfall-laws-"));
    for (const [name, text] of [
      ["web.mjs", webOf(notYet())],
      ["worker.mjs", WORKER],
    ] as const)
      writeFileSync(join(folder, name), text);
    write("one");
    execFileSync("git", ["init", "-q"], { cwd: folder });
    // Something that answers where the given resource is said to be, as a cache does.
    cache = createServer((socket) => socket.on("data", () => socket.write("+OK\r\n+PONG\r\n")).on("error", () => {}));
    await new Promise<void>((resolve) => cache.listen(0, "127.0.0.1", resolve));
    ground = await begin();
    app = appOf(ground.environment, (cache.address() as AddressInfo).port);
  });
  afterAll(async () => {
    await open()
      .decommission({})
      .catch(() => {});
    await ground?.end();
    cache?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  describe("before it is commissioned", () => {
    it.each(NEEDS_ENVIRONMENT)("%s is refused, and says how to make it", async (_, act) => {
      expect(await refused(act)).toMatchObject({
        code: "ENVIRONMENT_NOT_COMMISSIONED",
        what: expect.stringContaining(`environment "${NAME}" of app "laws" does not stand`),
        standing: "Nothing was changed.",
        next: `landfall commission ${NAME}`,
      });
    });

    it("status says so, and shows nothing", async () => {
      const status = await open().status();
      expect(status).toMatchObject({ app: "laws", environment: NAME, commissioned: false, services: [], resources: [] });
      expect([status.release, status.previous, status.address, status.unfinished, status.underWay]).toEqual(Array(5).fill(undefined));
    });

    it("hosts are none", async () => {
      expect(await open().hosts()).toEqual({ _meta: { hostvars: {} }, all: { children: [] } });
    });

    it("a plan adds all of it, and is the same as if nothing were asked", async () => {
      const plan = await open().plan();
      expect(plan).toMatchObject({ app: "laws", environment: NAME, exists: false, unchanged: 0, drift: [] });
      expect(new Set(plan.changes.map(({ action }) => action))).toEqual(new Set(["add"]));
      for (const name of SERVICES) expect(plan.changes.map(({ of }) => of)).toContain(`service ${name}`);
      expect((await open().plan({ fresh: true })).changes).toEqual(plan.changes);
    });

    it("secrets can be set, are kept for it, and go with what never stood", async () => {
      const secrets = open().secrets();
      expect(await secrets.set({ API_KEY: "one", OTHER_KEY: "two" })).toMatchObject({ names: ["API_KEY", "OTHER_KEY"] });
      expect((await open().secrets().list()).map(({ name }) => name)).toEqual(["API_KEY", "OTHER_KEY"]);
      await secrets.remove("API_KEY");
      expect((await open().status()).commissioned).toBe(false);
      expect((await open().decommission({})).removed).not.toEqual([]);
      expect(await secrets.list()).toEqual([]);
    });

    it.each<[what: string, code: string, options: DeployOptions, own: () => AppInput]>([
      ["a secret that was never set", "SECRET_MISSING", { dirty: true }, () => withWeb({ secrets: ["API_KEY"] })],
      ["a commit that nobody knows", "GIT_REF_UNKNOWN", { ref: "no-such-branch" }, () => app],
      ["a file of the recipe that is not there", "RECIPE_FILE_MISSING", { dirty: true }, () => ({ ...app, recipe: { files: ["no-such.lock"] } })],
      ["more instances than are allowed", "SCALE_OUT_OF_RANGE", { dirty: true, instances: { web: 4 } }, () => app],
      ["instances of a service that is not there", "SERVICE_UNKNOWN", { dirty: true, instances: { wbe: 1 } }, () => app],
    ])("a check before the first commission refuses %s, and makes nothing", async (_, code, options, own) => {
      expect(await refused((target) => target.check(options), own())).toMatchObject({ code, standing: "Nothing was changed." });
      await open().check({ dirty: true, instances: { web: 2 } });
      expect((await open().status()).commissioned).toBe(false);
    });

    it("there is nothing to remove or to clean, twice, and nothing of what was refused is left", async () => {
      expect(await open().listRemoval({})).toMatchObject({ removed: [], kept: [] });
      for (let round = 0; round < 2; round++) {
        expect(await open().decommission({})).toMatchObject({ app: "laws", environment: NAME, removed: [], kept: [] });
        expect(await open().clean()).toEqual({ removed: [] });
      }
    });
  });

  describe("commissioned, before its first release", () => {
    beforeAll(async () => {
      progress.length = 0;
      expect(await open().commission()).toMatchObject({ app: "laws", environment: NAME, changed: true, address: expect.stringMatching(/^http/) });
    });

    it("a second commission changes nothing, and reports the same", async () => {
      const { address, resources } = await open().status();
      expect(await open().commission()).toEqual({ app: "laws", environment: NAME, changed: false, address, resources });
    });

    it("passwords in addresses are masked, wherever they are shown", async () => {
      const shown = JSON.stringify([await open().commission(), await open().status(), await open().plan(), progress]);
      expect(shown).toContain("redis://app:***@127.0.0.1");
      for (const part of ["xyzzy", "plugh", "quux"]) expect(shown).not.toContain(part);
    });

    it("status names each service, and wants no instance of any", async () => {
      const status = await open().status();
      expect(status).toMatchObject({
        commissioned: true,
        resources: [
          { name: "jobs", type: "queue", state: "running" },
          { name: "sessions", state: "external" },
        ],
      });
      expect([status.release, status.previous]).toEqual([undefined, undefined]);
      const kinds = { web: "web", worker: "worker", scheduler: "scheduler", nightly: "job" };
      expect(Object.fromEntries(status.services.map(({ name, kind }) => [name, kind]))).toEqual(kinds);
      for (const service of status.services) expect(service).toMatchObject({ wanted: 0, healthy: 0, instances: [] });
    });

    it("there is no release to go back to or to run in", async () => {
      expect(await refused((target) => target.rollback({}))).toMatchObject({ code: "NOTHING_TO_ROLL_BACK", standing: NOTHING_CHANGED });
      expect(await refused((target) => target.exec("web", ["true"], SILENT))).toMatchObject({
        code: "RELEASE_UNKNOWN",
        next: `landfall deploy ${NAME}`,
      });
    });

    it("nothing was interrupted: resume and abort do nothing, twice", async () => {
      for (let round = 0; round < 2; round++) {
        expect(await open().resume()).toMatchObject({ did: "nothing", status: { commissioned: true } });
        expect(await open().abort()).toMatchObject({ did: "nothing", status: { commissioned: true } });
      }
    });

    it("secrets are listed by name, set twice, and removed twice", async () => {
      const secrets = open().secrets();
      expect(await secrets.list()).toEqual([]);
      expect(await secrets.set({ API_KEY: "first-value" })).toMatchObject({ environment: NAME, names: ["API_KEY"], revokedIn: [] });
      await secrets.set({ API_KEY: "second-value" }, { revoke: true });
      const listed = await open().secrets().list();
      expect(listed).toEqual([{ name: "API_KEY", setAt: expect.any(Number) }]);
      expect(Math.abs(Date.now() - (listed[0]?.setAt ?? 0))).toBeLessThan(60_000);
      await secrets.remove("API_KEY");
      await secrets.remove("API_KEY");
      expect(await secrets.list()).toEqual([]);
    });

    it.each([
      ["a-b", "x"],
      ["SESSIONS_URL", "x"],
      ["__proto__", "x"],
      ["API_KEY", "a\0b"],
      ["API_KEY", "x".repeat(200_000)],
    ])("secret %j with a value that no process could be given is refused", async (name, value) => {
      const refusal = await refused(async (target) => target.secrets().set({ [name]: value, OTHER_KEY: "fine" }));
      expect(refusal).toMatchObject({ code: "SECRET_REFUSED", standing: NOTHING_CHANGED });
      expect(JSON.stringify(refusal)).not.toContain("xxxxxxxx");
      expect(await open().secrets().list()).toEqual([]);
    });

    it("a release whose secrets were never set is refused, naming them", async () => {
      expect(await refused((target) => target.deploy({ dirty: true }), withWeb({ secrets: ["API_KEY"] }))).toMatchObject({
        code: "SECRET_MISSING",
        what: `secret "API_KEY" of service "web" is not set in environment "${NAME}"`,
        next: `landfall secrets set ${NAME} API_KEY`,
      });
    });

    it("an option that only another target has is refused: what confirms a loss must never seem to be heeded", async () => {
      const foreign: Record<"local" | "aws", Act[]> = {
        local: [(target) => target.commission({ confirmReplace: ["Database"] }), (target) => target.listRemoval({ confirmRemove: ["database"] })],
        aws: [(target) => target.commission({ empty: ["database"] })],
      };
      for (const act of foreign[ground.environment.target])
        expect(await refused(act)).toMatchObject({ code: "USAGE", what: expect.stringContaining(`"${NAME}"`), standing: "Nothing was changed." });
    });

    it("a number of instances that is set now is kept by the first release", async () => {
      expect((await open().scale({ web: 3 })).services.find(({ name }) => name === "web")).toMatchObject({ wanted: 0, healthy: 0 });
    });
  });

  describe("with releases", () => {
    let first: DeployReport;
    let second: DeployReport;
    let tookMs = 0;

    beforeAll(async () => {
      await open().commission();
      await open().scale({ web: 3 });
      const began = performance.now();
      first = await open().deploy({ dirty: true });
      tookMs = performance.now() - began;
      expect(first).toMatchObject({ app: "laws", environment: NAME, changed: true, imageMade: true });
      expect(first.previous).toBeUndefined();
    });

    it("a deploy takes the time from its beginning, its image too", () => {
      expect(Math.abs(tookMs - first.durationMs)).toBeLessThan(SLACK_MS);
    });

    it("the number of instances that was set before is there", async () => {
      expect((await open().status()).services.find(({ name }) => name === "web")).toMatchObject({ wanted: 3, healthy: 3 });
    });

    it("the same release again changes nothing", async () => {
      const { release, address } = first;
      expect(await open().deploy({ dirty: true })).toMatchObject({ changed: false, imageMade: false, release, address });
      expect(await open().deploy({ dirty: true, force: true })).toMatchObject({ changed: false, release });
      expect(await open().rollback({ to: release })).toMatchObject({ changed: false, release });
    });

    it("half of three instances are one, replaced at a time", async () => {
      write("two");
      progress.length = 0;
      second = await open().deploy({ dirty: true });
      expect(second).toMatchObject({ changed: true, imageMade: false, previous: first.release });
      expect(await ground.batchOf(inputOf(), "web", progress)).toBe(1);
      expect(await wantedOf("web")).toBe(3);
    });

    it("status names the release, the one before, and what it is", async () => {
      const { release, previous, description } = await open().status();
      expect({ release, previous, description }).toEqual({ release: second.release, previous: first.release, description: second.description });
    });

    it("goes back to the release before, and forth again, and a release that nobody knows is refused", async () => {
      expect(await open().rollback({})).toMatchObject({ changed: true, release: first.release, previous: second.release });
      expect(await open().rollback({ force: true })).toMatchObject({ changed: true, release: second.release, previous: first.release });
      for (const to of ["0123abc", "../../etc", ""]) {
        const refusal = await refused((target) => target.rollback({ to }));
        expect(refusal, to).toMatchObject({
          code: "RELEASE_UNKNOWN",
          what: expect.stringContaining(`there is no release "${to}"`),
          standing: NOTHING_CHANGED,
        });
        for (const { release } of [first, second]) expect((refusal as ErrorParts).why).toContain(release);
      }
      expect((await open().status()).release).toBe(second.release);
    });

    it("a commit that nobody knows is refused", async () => {
      expect(await refused((target) => target.deploy({ ref: "no-such-branch" }))).toMatchObject({ code: "GIT_REF_UNKNOWN" });
      expect((await open().status()).release).toBe(second.release);
    });

    it.each([
      ["scale", (target: EnvironmentTarget) => target.scale({ wbe: 2 })],
      ["scale beside one that is there", (target: EnvironmentTarget) => target.scale({ web: 1, wbe: 2 })],
      ["scale of a job", (target: EnvironmentTarget) => target.scale({ nightly: 2 })],
      ["scale of an object's own property", (target: EnvironmentTarget) => target.scale({ constructor: 2 })],
      ["exec", (target: EnvironmentTarget) => target.exec("wbe", ["true"], SILENT)],
      ["exec of an object's own property", (target: EnvironmentTarget) => target.exec("constructor", ["true"], SILENT)],
      ["logs", (target: EnvironmentTarget) => readLogs(target, { service: "wbe" })],
      ["logs with tail", (target: EnvironmentTarget) => readLogs(target, { service: "wbe", tail: 5 })],
    ])("%s of an unknown service is refused, naming those there are", async (_, act) => {
      expect(await refused(act)).toMatchObject({
        code: "SERVICE_UNKNOWN",
        why: expect.stringContaining('"worker"'),
        standing: "Nothing was changed.",
      });
      expect(await wantedOf("web")).toBe(3);
    });

    it.each([[{ web: 0 }], [{ web: 4 }], [{ web: 1.5 }], [{ web: Number.NaN }], [{ web: -1 }], [{ scheduler: 2 }], [{ worker: 2, web: 9 }]])(
      "scale to %j is outside the range",
      async (counts) => {
        expect(await refused((target) => target.scale(counts as Record<string, number>))).toMatchObject({
          code: "SCALE_OUT_OF_RANGE",
          standing: "Nothing was changed.",
        });
        expect([await wantedOf("web"), await wantedOf("worker")]).toEqual([3, 1]);
      },
    );

    it("scale changes the number, twice the same, and later deploys keep it", async () => {
      progress.length = 0;
      for (const options of [{}, { force: true }])
        expect((await open().scale({ web: 2 }, options)).services.find(({ name }) => name === "web")).toMatchObject({ wanted: 2, healthy: 2 });
      expect(progress).toContainEqual({ type: "note", text: "later deploys keep web=2; the configuration begins with 1" });
      expect((await open().status()).release).toBe(second.release);
    });

    it("a plain number is that number: another one, set by hand or with a deploy, holds until the next deploy", async () => {
      const fixed = {
        ...app,
        services: { ...app.services, worker: { ...(app.services.worker as object), command: "exec node worker.mjs", instances: 2 } },
      };
      const deploy = async (options: DeployOptions = {}) => {
        await open(fixed).deploy({ dirty: true, ...options });
        return wantedOf("worker");
      };
      write("three");
      expect(await deploy()).toBe(2);
      progress.length = 0;
      expect((await open(fixed).scale({ worker: 4 })).services.find(({ name }) => name === "worker")).toMatchObject({ wanted: 4, healthy: 4 });
      const told = "worker=4 holds until the next deploy, which goes by the 2 of landfall.config.ts";
      expect(progress).toContainEqual({ type: "note", text: told });
      await open(fixed).commission();
      await open(fixed).rollback({});
      expect(await wantedOf("worker")).toBe(4);
      const { changes, notes } = await open(fixed).plan();
      expect(JSON.stringify([changes.filter(({ of }) => of === "service worker"), notes])).toMatch(/worker.*\b4\b.*\b2\b/);
      expect(await deploy()).toBe(2);
      expect(progress).toContainEqual({ type: "note", text: "service worker goes from 4 instances to the 2 of landfall.config.ts" });
      await open(fixed).scale({ worker: 1 });
      expect(await wantedOf("worker")).toBe(1);
      expect(await deploy({ instances: { worker: 3 } })).toBe(3);
      expect(await deploy()).toBe(2);
      for (const counts of [{ worker: 1001 }, { worker: -1 }, { worker: 1.5 }, { scheduler: 2 }] as Record<string, number>[])
        expect(await refused((target) => target.scale(counts), fixed)).toMatchObject({
          code: "SCALE_OUT_OF_RANGE",
          standing: "Nothing was changed.",
        });
      write("two");
      await open().deploy({ dirty: true });
      expect(await wantedOf("worker")).toBe(1);
    });

    it("exec passes on what it reads and prints byte for byte, and its status is the answer", async () => {
      progress.length = 0;
      const [stdout, stderr] = [collecting(), collecting()];
      const bytes = Buffer.from([0, 255, 13, 10, 239, 191, 189, 195]);
      const script = 'echo "it is $0"; cat; echo "not that" >&2; exit 3';
      const end = await open().exec("web", ["sh", "-c", script, "one two"], { stdin: Readable.from([bytes]), stdout, stderr });
      expect(end).toMatchObject({ code: 3, instance: expect.any(String), release: second.release });
      expect(stdout.bytes()).toEqual(Buffer.concat([Buffer.from("it is one two\n"), bytes]));
      expect(stderr.bytes().toString()).toBe("not that\n");
      expect(JSON.stringify(progress)).not.toMatch(/one two|not that/);
    });

    it("events are in the order of time, and as many as were asked for", async () => {
      const all = await open().events({});
      expect(all.length).toBeGreaterThan(2);
      for (const event of all) expect(event).toMatchObject({ at: expect.any(Number), type: expect.any(String), text: expect.any(String) });
      expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).sort((one, other) => one - other));
      expect(await open().events({ tail: 2 })).toEqual(all.slice(-2));
      expect(await open().events({ tail: 0 })).toEqual([]);
      expect(await open().events({ since: new Date(Date.now() + 3_600_000) })).toEqual([]);
    });

    it("events say of no worker that it takes requests", async () => {
      const ofWorkers = (await open().events({})).filter(({ id = "", service = "" }) => /^(worker|scheduler)/.test(service || id));
      expect(ofWorkers.filter(({ text }) => /request/.test(text))).toEqual([]);
    });

    it("logs of what never was are none", async () => {
      for (const filter of [{ instance: "web.99" }, { tail: 0 }, { since: new Date(Date.now() + 3_600_000) }, { grep: /never said/ }])
        expect(await readLogs(open(), filter), JSON.stringify(filter)).toEqual([]);
      expect(await refused((target) => readLogs(target, { release: "0123abc" }))).toMatchObject({ code: "RELEASE_UNKNOWN" });
    });

    it("hosts are the instances of the status, by service", async () => {
      const [status, hosts] = [await open().status(), await open().hosts()];
      const standing = status.services.filter(({ instances }) => instances.length > 0);
      expect(hosts.all.children).toEqual(standing.map(({ name }) => name));
      for (const { name, instances } of standing) expect(hosts[name]).toEqual({ hosts: instances.map(({ id }) => id) });
      expect(Object.keys(hosts._meta.hostvars).sort()).toEqual(standing.flatMap(({ instances }) => instances.map(({ id }) => id)).sort());
    });

    it("a plan of what stands changes nothing, says what a deploy would bring, and reading changes nothing", async () => {
      const before = await open().status();
      const plan = await open().plan();
      expect(plan).toMatchObject({ exists: true, changes: [], drift: [] });
      expect(plan.unchanged).toBeGreaterThan(3);
      expect(plan.release?.before).toBe(second.release);
      expect(await open().plan()).toEqual(plan);
      expect(await open().status()).toEqual(before);
    });

    it("a plan announces the removal of a resource only if a commission removes it, which for data is refused first", async () => {
      const { jobs: _, ...resources } = app.resources ?? {};
      const without = { ...app, resources };
      const planned = (await open(without).plan()).changes.filter(({ of, action }) => of === "resource jobs" && action === "remove");
      const refusal = await refused((target) => target.commission(), without);
      if (planned.some(({ data }) => data)) expect(refusal).toMatchObject({ code: "STACK_REPLACEMENT_REFUSED" });
      else expect({ planned, refusal }).toEqual({ planned: [], refusal: "it was not refused" });
      await open().commission();
      expect((await open().status()).resources.map(({ name }) => name)).toEqual(["jobs", "sessions"]);
    });

    it.each(UNDER_LEASE)("%s is refused while another operation is under way, and status names that one", async (_, act) => {
      const [refusal, status] = await ground.hold(inputOf(), async () => [await refused(act), await open().status()] as const);
      expect(refusal).toMatchObject({ code: "LEASE_HELD", why: expect.stringContaining("deploy"), standing: "Nothing was changed." });
      expect(status).toMatchObject({ commissioned: true, underWay: { operation: "deploy", pid: process.pid } });
    });

    it("with wait an operation says whom it waits for, and then does its work", async () => {
      progress.length = 0;
      let waiting: Promise<unknown> = Promise.resolve();
      await ground.hold(inputOf(), async () => {
        waiting = open(app, { wait: true }).scale({ worker: 2 });
        await expect
          .poll(() => progress.filter(({ type }) => type === "note"), { timeout: 20_000 })
          .toContainEqual({ type: "note", text: expect.stringMatching(/^waiting: .*deploy/) });
      });
      await waiting;
      expect(await wantedOf("worker")).toBe(2);
    });
  });

  describe("what traffic meets is of the release that serves", () => {
    /** One that a balancer of any target decides by itself. */
    const CLOSED = { path: "/closed", redirect: { to: "/elsewhere", status: 301 as const } };
    const withRoutes = (...routes: AppInput["routes"] & object): AppInput => ({ ...app, routes });
    /** The web service by another name, checked by another path, and without the rule. */
    const renamed = (): AppInput => {
      const { web, ...services } = app.services;
      return { ...app, services: { ...services, site: { ...(web as object), command: "exec node web.mjs", health: { ...HEALTH, path: "/other" } } } };
    };
    const edited = (): AppInput => {
      const { web, ...services } = app.services;
      return { ...app, services: { ...services, web: { ...(web as object), command: "exec node web.mjs", health: { ...HEALTH, path: "/other" } } } };
    };
    const ask = async (...paths: string[]) => {
      const answers: string[] = [];
      for (const path of paths) answers.push(`${path} ${await ground.ask(inputOf(), path)}`);
      return answers;
    };
    const instances = async () => {
      const { services } = await open().status();
      return services.flatMap(({ name, instances: all }) => all.map(({ id, state }) => `${name} ${id} ${state}`)).sort();
    };
    const OPEN = ["/ 200", "/closed 200"];
    const SHUT = ["/ 200", "/closed 301"];
    let before: DeployReport;
    let standing: string[];

    beforeAll(async () => {
      await open().commission();
      before = await open().deploy({ dirty: true });
      await open().scale({ web: 2 });
      standing = await instances();
      expect(await ask("/", "/closed")).toEqual(OPEN);
    });

    it("a deploy of other rules alone is a release that replaces nobody, and its rollback too", async () => {
      execFileSync("git", ["add", "."], { cwd: folder });
      execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "all"], { cwd: folder });
      expect((await open(withRoutes(CLOSED)).plan()).release?.note).toBe("only the balancer's rules are other ones: no instance is replaced");
      const shut = await open(withRoutes(CLOSED)).deploy({ dirty: true });
      expect(shut).toMatchObject({ changed: true, previous: before.release });
      expect(shut.release).not.toBe(before.release);
      expect([await ask("/", "/closed"), await instances()]).toEqual([SHUT, standing]);
      expect(await open().status()).toMatchObject({ release: shut.release, previous: before.release });
      expect(await open(withRoutes(CLOSED)).deploy({ dirty: true })).toMatchObject({ changed: false, release: shut.release });
      expect(await open(withRoutes(CLOSED)).rollback({})).toMatchObject({ changed: true, release: before.release });
      expect([await ask("/", "/closed"), await instances()]).toEqual([OPEN, standing]);
      expect(await open().rollback({})).toMatchObject({ changed: true, release: shut.release });
      expect([await ask("/", "/closed"), await instances()]).toEqual([SHUT, standing]);
    });

    it("a commission alone changes no rule and no instance, whatever the file says", async () => {
      for (const file of [withRoutes(), edited(), renamed()]) {
        await open(file).commission();
        expect([await ask("/", "/closed"), await instances()]).toEqual([SHUT, standing]);
        expect((await open(file).commission()).changed).toBe(false);
      }
    });

    it("a deploy that fails leaves rules and checks as they were", async () => {
      const { release } = await open().status();
      for (const file of [withRoutes(), edited(), renamed()]) {
        writeFileSync(join(folder, "web.mjs"), BROKEN);
        await open(file).commission();
        await expect(ground.whileNothingStarts(() => open(file).deploy({ dirty: true }))).rejects.toThrow();
        writeFileSync(join(folder, "web.mjs"), webOf(notYet()));
        expect(await ask("/", "/closed")).toEqual(SHUT);
        const status = await open(file).status();
        expect(status).toMatchObject({ release, services: expect.arrayContaining([expect.objectContaining({ name: "web", healthy: 2 })]) });
        expect(status.unfinished).toBeUndefined();
      }
    });

    it("a service of another name takes over, and a rollback brings the first one and its rules back", async () => {
      await open(renamed()).commission();
      const other = await open(renamed()).deploy({ dirty: true });
      expect([await ask("/", "/closed"), (await instances()).filter((one) => /^web /.test(one))]).toEqual([OPEN, []]);
      expect(await open(renamed()).rollback({})).toMatchObject({ changed: true, previous: other.release });
      expect(await ask("/", "/closed")).toEqual(SHUT);
      expect((await instances()).filter((one) => /^(web|site) /.test(one))).toEqual([
        expect.stringMatching(/^web .* healthy$/),
        expect.stringMatching(/^web .* healthy$/),
      ]);
      expect((await open(renamed()).commission()).changed).toBe(false);
      expect(await ask("/", "/closed")).toEqual(SHUT);
    });

    it("of a fleet that is kept to go back to, the status shows the instances, whatever their service is called now", async () => {
      const file: AppInput = { ...renamed(), rollout: { strategy: "blueGreen" } };
      await open(file).commission();
      await open(file).deploy({ dirty: true });
      const { services } = await open(file).status();
      const old = services.filter(({ name }) => name === "web");
      const warm = [{ kind: "web", wanted: 0, instances: [{ state: "warm" }, { state: "warm" }] }];
      // On AWS the soak passes within the command, which ends the fleet; locally it outlives the command.
      if (ground.environment.target === "local") expect(old).toMatchObject(warm);
      else expect(old).toEqual([]);
      expect(await open(file).rollback({})).toMatchObject({ changed: true });
      expect(await ask("/", "/closed")).toEqual(SHUT);
    });

    it("a release that is checked otherwise takes over", async () => {
      await open(edited()).commission();
      expect(await open(edited()).deploy({ dirty: true })).toMatchObject({ changed: true });
      expect(await ask("/", "/closed")).toEqual(OPEN);
      await open().deploy({ dirty: true });
      await open().commission();
      expect(await ask("/", "/closed")).toEqual(OPEN);
      expect((await open().plan()).changes).toEqual([]);
    });
  });

  describe("an instance that does not allow its end", () => {
    it("ends a deploy and a rollback before anything is replaced, and is stopped all the same with force", async () => {
      const asking = withWeb({ drain: { ask: "/may-i", timeout: "0s" } });
      await open(asking).commission();
      const { release } = await open(asking).deploy({ dirty: true });
      write("asked");
      writeFileSync(notYet(), "");
      ground.playNotYet?.(true);
      const instances = async () => (await open(asking).status()).services.flatMap((service) => service.instances.map(({ id }) => id));
      const standing = await instances();
      for (const [act, forced] of [
        [(target) => target.deploy({ dirty: true }), (target) => target.deploy({ dirty: true, force: true })],
        [(target) => target.rollback({}), (target) => target.rollback({ force: true })],
      ] as [Act, Act][]) {
        const before = (await open(asking).status()).release;
        expect(await refused(act, asking)).toMatchObject({
          code: "DRAIN_VETOED",
          what: expect.stringMatching(/^"[^"]+" does not allow itself to be stopped$/),
          evidence: [
            ["asked", expect.stringContaining("/may-i")],
            ["answered", '503 "yes"'],
          ],
          standing: `Release ${before} is still serving.`,
          next: `landfall deploy ${NAME} --force   stops it all the same`,
        });
        const { release: serving, unfinished } = await open(asking).status();
        expect([serving, unfinished]).toEqual([before, undefined]);
        if (before === release) expect(await instances()).toEqual(standing);
        expect(await forced(open(asking))).toMatchObject({ changed: true });
      }
      expect((await open(asking).status()).release).toBe(release);
      rmSync(notYet());
      ground.playNotYet?.(false);
    });
  });

  describe("at its end", () => {
    it("what is announced goes, nothing is kept, and the second time there is nothing", async () => {
      const announced = await open().listRemoval({});
      expect(announced.removed.length).toBeGreaterThan(0);
      expect(announced.kept).toEqual([]);
      expect((await open().status()).commissioned).toBe(true);
      const done = await open().decommission({});
      expect(done).toMatchObject({ app: "laws", environment: NAME });
      expect(done.removed.length).toBeGreaterThan(0);
      expect(await open().decommission({})).toMatchObject({ removed: [] });
      expect(await open().status()).toMatchObject({ commissioned: false, services: [], resources: [] });
    });

    it.each(NEEDS_ENVIRONMENT)("%s is refused as before it stood", async (_, act) => {
      expect(await refused(act)).toMatchObject({
        code: "ENVIRONMENT_NOT_COMMISSIONED",
        standing: "Nothing was changed.",
        next: `landfall commission ${NAME}`,
      });
    });
  });
}
