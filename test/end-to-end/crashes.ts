// The crash matrix: every operation is killed at every boundary of its journal, and then finished or undone.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openEnvironment, type RecoveryReport, type Status } from "../../src/index.ts";
import { change, type makeSandbox } from "./sandbox.ts";

export type When = "before" | "between" | "after" | "moved";
export type Whom = "command" | "supervisor" | "both";
export type Remedy = "resume" | "abort";
export type Scenario = "commission" | "rolling" | "blueGreen" | "canary" | "rollback" | "scaleOut" | "scaleIn" | "contract" | "decommission";

export const SCENARIOS: Scenario[] = ["commission", "rolling", "blueGreen", "canary", "rollback", "scaleOut", "scaleIn", "contract", "decommission"];

export interface Point {
  scenario: Scenario;
  when: When;
  number: number;
  whom: Whom;
  remedy: Remedy;
}

type Sandbox = ReturnType<typeof makeSandbox>;

const WEB = 2;

const configuration = (name: string, strategy: "rolling" | "blueGreen" | "canary") => `import { defineApp } from "landfall";

export default defineApp({
  name: "${name}",
  services: {
    web: {
      command: "exec node server.js",
      port: 8080,
      instances: ${WEB},
      health: { path: "/", interval: "200ms", timeout: "1s", deadline: "10s" },
      drain: { timeout: "5s" },
      stop: { timeout: "3s" },
    },
    ticker: { command: "exec node ticker.js", singleton: true, stop: { timeout: "3s" } },
  },
  resources: { jobs: { type: "queue" } },
  release: {
    expand: 'echo "expand $LANDFALL_RELEASE" >> "$LANDFALL_DATA/ledger"',
    contract: 'echo "contract $LANDFALL_RELEASE" >> "$LANDFALL_DATA/ledger"',
  },
  rollout: { strategy: "${strategy}", soak: "1s", canary: { weights: ["50%"], step: "200ms", samples: 20, timeout: "20s" } },
});
`;

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
    if (scenario === "decommission") points.push({ scenario, when: "moved", number: 1, whom: "command", remedy: "resume" });
    return points;
  }

  readonly #sandbox: Sandbox;
  readonly #app: string;
  readonly #name: string;
  #version = 0;
  #strategy: "rolling" | "blueGreen" | "canary" = "rolling";

  constructor(sandbox: Sandbox, name: string) {
    this.#sandbox = sandbox;
    this.#name = name;
    this.#app = sandbox.copyApp("test/fixtures/apps/hello", name);
    this.#setStrategy("rolling");
  }

  get folder(): string {
    return join(this.#sandbox.home, "apps", this.#name, "environments", "local");
  }

  /** The number of steps in the journal of an operation that nothing interrupts. */
  async count(scenario: Scenario): Promise<number> {
    // Its journal goes with its folder.
    if (scenario === "decommission") return 1;
    await this.#prepare(scenario);
    const steps = () =>
      readFileSync(join(this.folder, "journal.jsonl"), "utf8")
        .split("\n")
        .filter((line) => line.includes('"type":"result"')).length;
    await this.#underLoad(scenario, () => this.#run(...this.#commandOf(scenario)));
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
      if (whom !== "supervisor" && scenario !== "decommission" && !after.unfinished) problems.push("status does not say what was interrupted");
      const done = await this.#sandbox.run(this.#app, remedy, "local", "--json");
      if (done.code !== 0) problems.push(`${remedy} ended with ${done.code}: ${done.stderr}`);
      else if (whom !== "supervisor") problems.push(...this.#describeOutcome(scenario, remedy, before, JSON.parse(done.stdout) as RecoveryReport));
      problems.push(...(await this.#describeWorld()));
    });
    return [...problems, ...lost];
  }

  /** Brings the environment to where the operation begins. */
  async #prepare(scenario: Scenario): Promise<void> {
    if (scenario === "commission") {
      await this.#run("decommission", "local", "--yes");
      return;
    }
    if (!(await this.#status()).commissioned) await this.#run("commission", "local");
    const status = await this.#status();
    if (!status.release || !status.previous || scenario === "contract") {
      // A canary is tried only where there is load.
      this.#setStrategy("rolling");
      for (let time = 0; time < 2; time++) {
        this.#change();
        await this.#run("deploy", "local");
      }
    }
    this.#setStrategy(scenario === "blueGreen" || scenario === "canary" ? scenario : "rolling");
    if (scenario === "contract") return;
    const wanted = scenario === "scaleIn" ? WEB + 1 : WEB;
    if (scenario.startsWith("scale") && status.services.some(({ name, wanted: now }) => name === "web" && now !== wanted))
      await this.#run("scale", "local", `web=${wanted}`);
    if (scenario !== "rollback" && !scenario.startsWith("scale")) this.#change();
  }

  #commandOf(scenario: Scenario): string[] {
    switch (scenario) {
      case "rollback":
        return ["rollback", "local"];
      case "scaleOut":
        return ["scale", "local", `web=${WEB + 1}`];
      case "scaleIn":
        return ["scale", "local", `web=${WEB}`];
      case "contract":
        return ["deploy", "local", "--contract"];
      case "commission":
        return ["commission", "local"];
      case "decommission":
        return ["decommission", "local", "--yes"];
      default:
        return ["deploy", "local"];
    }
  }

  #setStrategy(strategy: "rolling" | "blueGreen" | "canary"): void {
    this.#strategy = strategy;
    change(this.#app, "landfall.config.ts", configuration(this.#name, strategy));
  }

  #change(): void {
    this.#version += 1;
    change(this.#app, "landfall.config.ts", configuration(this.#name, this.#strategy));
    change(this.#app, "version.txt", String(this.#version));
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
    const gone = scenario === "decommission" ? remedy === "resume" : scenario === "commission" && remedy === "abort";
    // A decommission may have been past the point where it could be undone, or not have come to anything.
    if (scenario === "decommission" && did === "nothing") return [];
    if (gone === status.commissioned && scenario !== "commission") return [`commissioned is ${status.commissioned} after ${remedy}`];
    const isDeploy = ["rolling", "blueGreen", "canary"].includes(scenario);
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
      for (const one of service.instances) if (one.state !== "healthy" && one.state !== "warm") problems.push(`${one.id} is ${one.state}`);
    }
    if (releases.size > 1) problems.push(`two releases serve: ${[...releases].join(", ")}`);
    if (status.release && !releases.has(status.release)) problems.push(`${status.release} is recorded and does not serve`);
    const known = new Set(status.services.flatMap((service) => service.instances.map((one) => one.id)));
    problems.push(...running.filter((id) => !known.has(id)).map((id) => `an orphan runs: ${id}`));
    if (new Set(running).size !== running.length) problems.push(`running twice: ${running.join(", ")}`);
    return [...problems, ...this.#describeLedger()];
  }

  /** Each phase ran once per release. */
  #describeLedger(): string[] {
    const lines = readOrNothing(join(this.folder, "data", "services", "release", "ledger"))
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
    const address = scenario === "commission" || scenario === "decommission" ? undefined : (await this.#status()).address;
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
