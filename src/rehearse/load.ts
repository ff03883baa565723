// Requests at a constant rate, and what became of each: what users would have met.
import { Agent, request } from "node:http";
import type { Deployment } from "../config/deployment.ts";
import type { RehearsedPhase } from "../reports.ts";
import { compileRoutes } from "../routing/rules.ts";
import type { Edge } from "../targets/local/balancer/api.ts";

/** An answer that takes longer is lost to whoever waits for it. */
const TIMEOUT_MS = 10_000;
/** As much of an answer as tells why. */
const WORDS_MAX = 80;

/** Lost: not answered, broken off, late, or answered with a status of 500 or above. */
type Counts = Omit<RehearsedPhase, "name" | "durationMs">;

export interface Load {
  /** What became of the requests that were sent since the last call; waits for those under way. */
  take(): Promise<Counts>;
  stop(): Promise<void>;
}

/** What is asked for, so that one service gets it. */
export interface Target {
  path: string;
  host?: string;
}

/** For each web service its health check's path, or where routes lead that elsewhere, the beginning of a path of its own. */
export function findTargets({ services, routes }: Pick<Deployment, "services" | "routes">, edge: Pick<Edge, "routes" | "defaultService">) {
  const rule = compileRoutes(edge.routes, edge.defaultService);
  const targets: Target[] = [];
  const unreached: string[] = [];
  for (const [name, { kind, health }] of Object.entries(services)) {
    if (kind !== "web") continue;
    const own = routes.filter(({ service }) => service === name).map(({ path, host }): Target => ({ path: path.replace(/\*$/, ""), host }));
    const target = [{ path: health.path }, ...own].find(({ path, host = "127.0.0.1" }: Target) => {
      const { decision } = rule(path, host.toLowerCase(), path);
      return decision.act === "serve" && decision.service === name;
    });
    if (target) targets.push(target);
    else unreached.push(name);
  }
  return { targets, unreached };
}

/** Asks for each of `targets` in turn at `origin`, `perSecond` times a second, whether answers come or not. */
export function startLoad(origin: string, targets: Target[], perSecond: number): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  let [sent, underWay] = [0, new Set<Promise<void>>()];
  let [times, losses] = [[] as number[], {} as Record<string, number>];
  const timer = setInterval(() => {
    const target = targets[sent++ % targets.length] as Target;
    const began = performance.now();
    const one = ask(agent, origin, target).then((loss) => {
      times.push(performance.now() - began);
      if (loss) losses[loss] = (losses[loss] ?? 0) + 1;
      underWay.delete(one);
    });
    underWay.add(one);
  }, 1000 / perSecond);
  return {
    async take() {
      const waited = underWay;
      underWay = new Set();
      await Promise.all(waited);
      const counts = count(times, losses);
      [times, losses] = [[], {}];
      return counts;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
      agent.destroy();
    },
  };
}

/** Undefined when it was answered, else why not. */
function ask(agent: Agent, origin: string, { path, host }: Target): Promise<string | undefined> {
  return new Promise((resolve) => {
    const headers = { "user-agent": "landfall-rehearsal", ...(host === undefined ? {} : { host }) };
    const asked = request(`${origin}${path}`, { agent, headers }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        if (text.length < WORDS_MAX) text += chunk.toString();
      });
      answer.once("error", (error) => resolve(error.message));
      answer.once("end", () =>
        resolve((answer.statusCode ?? 0) >= 500 ? `status ${answer.statusCode} ${text.slice(0, WORDS_MAX).split("\n")[0]}`.trim() : undefined),
      );
    });
    const timer = setTimeout(() => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
    asked.once("error", (error) => resolve(error.message)).once("close", () => clearTimeout(timer));
    asked.end();
  });
}

function count(times: number[], losses: Record<string, number>): Counts {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
  const lost = Object.values(losses).reduce((sum, number) => sum + number, 0);
  return { requests: times.length, lost, medianMs: at(0.5), p99Ms: at(0.99), slowestMs: at(1), losses };
}
