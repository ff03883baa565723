// The crash matrix: every operation is killed at every boundary of its journal, and then finished or undone.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type InstanceReport, openEnvironment, type RecoveryReport, type Status } from "../../src/index.ts";
import { controlClient } from "../../src/system/control.ts";
import { socketPathOf } from "../../src/system/socket-path.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { loadRelease } from "../../src/targets/local/releases/release-store.ts";
import type { SupervisorApi } from "../../src/targets/local/supervisor/api.ts";
import { Keeper } from "./keeper.ts";
import { change, type makeSandbox } from "./sandbox.ts";

export type When = "before" | "between" | "after" | "moved";
export type Whom = "command" | "supervisor" | "both";
export type Remedy = "resume" | "abort";

export const SCENARIOS = [
  "commission",
  "rolling",
  "blueGreen",
  "canary",
  "rules",
  "rollback",
  "scaleOut",
  "scaleIn",
  "contract",
  "decommission",
  "keepData",
  "adopt",
] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** Those that begin or end with data that is kept: it must be there afterwards, in the environment or kept again. */
const KEEPING: Scenario[] = ["keepData", "adopt"];
/** Those whose journal goes with the environment's folder. */
const REMOVING: Scenario[] = ["decommission", "keepData"];

export interface Point {
  scenario: Scenario;
  when: When;
  number: number;
  whom: Whom;
  remedy: Remedy;
}

type Sandbox = ReturnType<typeof makeSandbox>;

const WEB = 2;

const QUEUE = 'jobs: { type: "queue" }';
const EVERY_KIND = `${QUEUE}, database: { type: "postgres" }, uploads: { type: "bucket" }`;

interface Configured {
  strategy: "rolling" | "blueGreen" | "canary";
  resources: string;
  /** Each has a path of its own that is denied: which is, says whose rules hold. */
  version: number;
}

/** The window is short, since hundreds of deploys are killed. */
const configuration = (name: string, { strategy, resources, version }: Configured) => `import { defineApp } from "landfall";

export default defineApp({
  name: "${name}",
  services: {
    web: {
      command: "exec node server.js",
      port: 8080,
      instances: ${WEB},
      health: { path: "/", interval: "200ms", timeout: "1s", startupTimeout: "10s", steadyFor: "500ms" },
      drain: { timeout: "5s" },
      stop: { timeout: "3s" },
    },
    ticker: { command: "exec node ticker.js", singleton: true, health: { steadyFor: "500ms" }, stop: { timeout: "3s" } },
    report: { command: "echo reported", schedule: "0 0 1 1 *" },
  },
  resources: { ${resources} },
  routes: [{ path: "/denied-${version}", deny: true }],
  release: {
    expand: 'echo "expand $LANDFALL_RELEASE" >> "$LANDFALL_DATA/ledger"',
    contract: 'echo "contract $LANDFALL_RELEASE" >> "$LANDFALL_DATA/ledger"',
  },
  rollout: { strategy: "${strategy}", soak: "1s", canary: { weights: ["50%"], step: "200ms", minRequests: 20, timeout: "1s" } },
});
`;

/** Which renames of data or of the whole environment a command is killed after. */
const MOVES: Partial<Record<Scenario, number[]>> = { decommission: [1], keepData: [1], adopt: [1, 2, 3, 4] };

/** One app in one environment, on which operations are killed again and again. */
export class Stage {
  /** Every boundary, killed at each of its three moments and then finished and undone, the command alone and with its supervisor by turns. */
  static matrixOf(scenario: Scenario, steps: number): Point[] {
    const points = Array.from({ length: steps }, (_, index) => index + 1).flatMap((number): Point[] => [
      ...(["before", "between", "after"] as const).flatMap((when, turn): Point[] => {
        const whom = (["command", "both"] as const)[(number + turn) % 2] as Whom;
        return [
          { scenario, when, number, whom, remedy: "resume" },
          { scenario, when, number, whom: whom === "both" ? "command" : "both", remedy: "abort" },
        ];
      }),
      // A command whose supervisor alone is killed goes on by itself: there is nothing left to be undone.
      { scenario, when: "before", number, whom: "supervisor", remedy: "resume" },
    ]);
    for (const number of MOVES[scenario] ?? [])
      for (const remedy of scenario === "adopt" ? (["resume", "abort"] as const) : (["resume"] as const))
        points.push({ scenario, when: "moved", number, whom: "command", remedy });
    return points;
  }

  readonly #sandbox: Sandbox;
  readonly #app: string;
  readonly #name: string;
  #version = 0;
  #strategy: "rolling" | "blueGreen" | "canary" = "rolling";
  #resources = QUEUE;
  readonly #keeper: Keeper;
  /** By release: the version of its rules. */
  readonly #versions = new Map<string, number>();

  constructor(sandbox: Sandbox, name: string) {
    this.#sandbox = sandbox;
    this.#name = name;
    this.#app = sandbox.copyApp("test/fixtures/apps/hello", name);
    this.#keeper = new Keeper(pathsOf(sandbox.home, name, "local"), "ticker");
    this.#setStrategy("rolling");
  }

  get folder(): string {
    return join(this.#sandbox.home, "apps", this.#name, "environments", "local");
  }

  /** The number of steps in the journal of an operation that nothing interrupts. */
  async count(scenario: Scenario): Promise<number> {
    if (REMOVING.includes(scenario)) return 1;
    await this.#prepare(scenario);
    const steps = () =>
      readFileSync(join(this.folder, "journal.jsonl"), "utf8")
        .split("\n")
        .filter((line) => line.includes('"type":"result"')).length;
    await this.#underLoad(scenario, () => this.#run(...this.#commandOf(scenario)));
    const problems = await this.#describeRules();
    if (problems.length > 0) throw new Error(problems.join());
    return steps();
  }

  /** Kills the operation at the point, applies the remedy, and lists everything that is not as it should be then. */
  async strike({ scenario, when, number, whom, remedy }: Point): Promise<string[]> {
    await this.#prepare(scenario);
    const before = await this.#status();
    const problems: string[] = [];
    const lost = await this.#underLoad(scenario, async () => {
      const code = await this.#crash(`${when} ${number} ${whom}`, ...this.#commandOf(scenario));
      if (whom === "supervisor" && code !== 0) problems.push(`the command ended with ${code} when only its supervisor was killed`);
      if (whom !== "supervisor" && code !== -9) problems.push(`the command was not killed, it ended with ${code}`);
      const after = await this.#status();
      if (whom !== "supervisor" && !REMOVING.includes(scenario) && !after.unfinished) problems.push("status does not say what was interrupted");
      const done = await this.#sandbox.run(this.#app, remedy, "local", "--json");
      // A decommission may have come to its end all the same.
      const isGone = REMOVING.includes(scenario) && done.stderr.includes("ENVIRONMENT_NOT_COMMISSIONED");
      if (done.code !== 0 && !isGone) problems.push(`${remedy} ended with ${done.code}: ${done.stderr}`);
      else if (whom !== "supervisor" && !isGone)
        problems.push(...this.#describeOutcome(scenario, remedy, before, JSON.parse(done.stdout) as RecoveryReport));
      problems.push(...(await this.#describeWorld()), ...(await this.#describeRules()));
      if (KEEPING.includes(scenario)) problems.push(...(await this.#describeData()));
    });
    return [...problems, ...lost];
  }

  /** Brings the environment to where the operation begins. */
  async #prepare(scenario: Scenario): Promise<void> {
    if (scenario === "commission") return this.#run("decommission", "local", "--yes");
    if (KEEPING.includes(scenario)) return this.#prepareKept(scenario);
    if (!(await this.#status()).commissioned) await this.#run("commission", "local");
    const status = await this.#status();
    if (!status.release || !status.previous || scenario === "contract") {
      // A canary is tried only where there is load.
      this.#setStrategy("rolling");
      for (let time = 0; time < 2; time++) {
        this.#change();
        await this.#run("deploy", "local");
        this.#versions.set((await this.#status()).release as string, this.#version);
      }
    }
    this.#setStrategy(scenario === "blueGreen" || scenario === "canary" ? scenario : "rolling");
    if (scenario === "contract") return;
    const wanted = scenario === "scaleIn" ? WEB + 1 : WEB;
    if (scenario.startsWith("scale") && status.services.some(({ name, wanted: now }) => name === "web" && now !== wanted))
      await this.#run("scale", "local", `web=${wanted}`);
    if (scenario === "rules") {
      // Files that an undone deploy brought are not to come with the rules.
      await this.#run("deploy", "local");
      await this.#describeRules();
    }
    if (scenario !== "rollback" && !scenario.startsWith("scale")) this.#change({ rulesAlone: scenario === "rules" });
  }

  /** The environment with data of every kind, and for `adopt` only the data that was kept of it. */
  async #prepareKept(scenario: Scenario): Promise<void> {
    if (this.#resources !== EVERY_KIND) {
      this.#resources = EVERY_KIND;
      this.#setStrategy("rolling");
      await this.#run("commission", "local");
      await this.#run("deploy", "local");
    }
    await this.#run("commission", "local");
    // Also after a point that lost something, so that each point is judged alone.
    if ((await this.#keeper.listLosses()).length > 0) await this.#keeper.fill();
    if (scenario === "adopt") await this.#run("decommission", "local", "--yes", "--keep-data");
  }

  #commandOf(scenario: Scenario): string[] {
    switch (scenario) {
      case "keepData":
        return ["decommission", "local", "--yes", "--keep-data"];
      case "rollback":
        return ["rollback", "local"];
      case "scaleOut":
        return ["scale", "local", `web=${WEB + 1}`];
      case "scaleIn":
        return ["scale", "local", `web=${WEB}`];
      case "contract":
        return ["deploy", "local", "--contract"];
      case "commission":
      case "adopt":
        return ["commission", "local"];
      case "decommission":
        return ["decommission", "local", "--yes"];
      default:
        return ["deploy", "local"];
    }
  }

  #setStrategy(strategy: "rolling" | "blueGreen" | "canary"): void {
    this.#strategy = strategy;
    this.#configure();
  }

  #configure(): void {
    const configured = { strategy: this.#strategy, resources: this.#resources, version: this.#version };
    change(this.#app, "landfall.config.ts", configuration(this.#name, configured));
  }

  #change({ rulesAlone = false } = {}): void {
    this.#version += 1;
    this.#configure();
    if (!rulesAlone) change(this.#app, "version.txt", String(this.#version));
  }

  async #run(...args: string[]): Promise<void> {
    const { code, stderr } = await this.#sandbox.run(this.#app, ...args);
    if (code !== 0) throw new Error(`landfall ${args.join(" ")} ended with ${code}: ${stderr}`);
  }

  async #status(): Promise<Status> {
    process.env.LANDFALL_HOME = this.#sandbox.home;
    return (await openEnvironment("local", { folder: this.#app })).status();
  }

  /** The exit status, negative for a signal. */
  #crash(at: string, ...args: string[]): Promise<number> {
    const preload = new URL("./crash-at.mjs", import.meta.url).href;
    const child = spawn(process.execPath, ["--import", preload, fileURLToPath(new URL("../../bin/landfall.js", import.meta.url)), ...args], {
      cwd: this.#app,
      env: { ...process.env, LANDFALL_HOME: this.#sandbox.home, LANDFALL_CRASH_AT: at },
      stdio: "ignore",
    });
    return new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal === "SIGKILL" ? -9 : (code ?? -1))));
  }

  #describeOutcome(scenario: Scenario, remedy: Remedy, before: Status, { did, status }: RecoveryReport): string[] {
    const isRemoving = REMOVING.includes(scenario);
    const isCommission = scenario === "commission" || scenario === "adopt";
    const gone = isRemoving ? remedy === "resume" : isCommission && remedy === "abort";
    // A decommission may have been past the point where it could be undone, or not have come to anything.
    if (isRemoving && did === "nothing") return [];
    if (gone === status.commissioned && !isCommission) return [`commissioned is ${status.commissioned} after ${remedy}`];
    const isDeploy = ["rolling", "blueGreen", "canary", "rules"].includes(scenario);
    if (isDeploy && remedy === "resume" && status.release === before.release) return ["the old release serves after resume"];
    return [];
  }

  /** Everything that is there twice, or should not be there, or is missing. */
  async #describeWorld(): Promise<string[]> {
    const status = await this.#status();
    const problems: string[] = [];
    if (status.unfinished) problems.push(`${status.unfinished.operation} is still unfinished`);
    const running = this.#observeProcesses();
    if (!status.commissioned) return [...problems, ...running.map((one) => `an orphan runs: ${one}`)];
    const releases = new Set<string>();
    for (const service of status.services) {
      const healthy = service.instances.filter((one) => one.state === "healthy");
      for (const one of healthy) releases.add(one.release);
      if (healthy.length !== service.wanted) problems.push(`${healthy.length} of ${service.wanted} ${service.name} are healthy`);
      // What is kept warm ends by itself, and may be about to.
      const isFine = ({ state, release }: InstanceReport) =>
        state === "healthy" || state === "warm" || (state === "stopping" && release !== status.release);
      for (const one of service.instances) if (!isFine(one)) problems.push(`${one.id} is ${one.state}`);
    }
    if (releases.size > 1) problems.push(`two releases serve: ${[...releases].join(", ")}`);
    if (status.release && !releases.has(status.release)) problems.push(`${status.release} is recorded and does not serve`);
    problems.push(...(await this.#describeJobs(status)));
    const known = new Set(status.services.flatMap((service) => service.instances.map((one) => one.id)));
    problems.push(...running.filter((id) => !known.has(id)).map((id) => `an orphan runs: ${id}`));
    if (new Set(running).size !== running.length) problems.push(`running twice: ${running.join(", ")}`);
    return [...problems, ...this.#describeLedger()];
  }

  /** The rules of the release that serves hold, and no others. One that is not known yet is of the version that was deployed last. */
  async #describeRules(): Promise<string[]> {
    const { release, address } = await this.#status();
    if (!release) return [];
    const version = this.#versions.get(release) ?? this.#version;
    this.#versions.set(release, version);
    const expected = [version - 1, version, version + 1].map((other) => `/denied-${other} ${other === version ? 404 : 200}`);
    const answers = await Promise.all(expected.map((line) => fetch(address + (line.split(" ")[0] as string)).then(({ status }) => status)));
    const found = expected.map((line, index) => `${line.split(" ")[0]} ${answers[index]}`);
    return found.join() === expected.join() ? [] : [`the rules of ${release} do not hold: ${found.join(", ")}`];
  }

  /** All that was put in is there, or it is there again once the environment is commissioned. */
  async #describeData(): Promise<string[]> {
    if (!(await this.#status()).commissioned) await this.#run("commission", "local");
    return this.#keeper.listLosses();
  }

  /** The times of the release that serves, or of that whose processes it has, and of no other. */
  async #describeJobs({ release }: Status): Promise<string[]> {
    const paths = pathsOf(this.#sandbox.home, this.#name, "local");
    const { supervisorSocket } = paths;
    const { processes } = await controlClient<SupervisorApi>(socketPathOf(supervisorSocket)).observe();
    const scheduled = processes.filter(({ spec }) => spec.schedule).map(({ spec }) => `${spec.service} ${spec.release}`);
    const wanted = release ? [`report ${loadRelease(paths, release).processes}`] : [];
    return scheduled.join() === wanted.join() ? [] : [`scheduled is ${scheduled.join() || "nothing"} instead of ${wanted.join() || "nothing"}`];
  }

  /** Each phase ran once per release. */
  #describeLedger(): string[] {
    const lines = readOrNothing(join(this.folder, "data", "services", "web", "ledger"))
      .split("\n")
      .filter(Boolean);
    return lines.filter((line, index) => lines.indexOf(line) !== index).map((line) => `ran twice: ${line}`);
  }

  /** The instances of this environment among all processes of the machine, from the kernel. A shell around a program is not counted. */
  #observeProcesses(): string[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        const variables = readOrNothing(`/proc/${pid}/environ`).split("\0");
        const ours = variables.some((one) => one.startsWith(`LANDFALL_DATA=${this.folder}`));
        const isShell = readOrNothing(`/proc/${pid}/cmdline`).startsWith("/bin/sh");
        const instance = variables.find((one) => one.startsWith("LANDFALL_INSTANCE="))?.slice("LANDFALL_INSTANCE=".length);
        return ours && !isShell && instance ? [instance] : [];
      });
  }

  /** Requests all the while; returns those that were lost. Where nothing serves before, none are sent. */
  async #underLoad(scenario: Scenario, act: () => Promise<unknown>): Promise<string[]> {
    const address = ["commission", "decommission", ...KEEPING].includes(scenario) ? undefined : (await this.#status()).address;
    if (!address) {
      await act();
      return [];
    }
    const lost: string[] = [];
    const agent = new Agent({ keepAlive: true });
    const pending = new Set<Promise<void>>();
    const timer = setInterval(() => {
      const asked = ask(address, agent).then((problem) => {
        if (problem) lost.push(problem);
        pending.delete(asked);
      });
      pending.add(asked);
    }, 10);
    try {
      await act();
    } finally {
      clearInterval(timer);
      await Promise.all(pending);
      agent.destroy();
    }
    return lost.length > 0 ? [`${lost.length} requests were lost: ${lost[0]}`] : [];
  }
}

function ask(address: string, agent: Agent): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asking = request(address, { agent }, (response) => {
      let body = "";
      response.on("data", (chunk) => (body += chunk));
      response.on("error", (error) => resolve(error.message));
      response.on("end", () => resolve(response.statusCode === 200 && body.startsWith("hello from") ? undefined : `${response.statusCode} ${body}`));
    });
    asking.on("error", (error) => resolve(error.message));
    asking.end();
  });
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
