// What the balancer of a rehearsal is told, while a release takes over: rules and shares are the plan's, how an instance is asked its release's own.
import { describe, expect, it } from "vitest";
import { serviceOf } from "../../src/config/deployment.ts";
import { MachineFleets, type MachineFleetsInput } from "../../src/rehearse/machine-fleets.ts";
import type { BootInput } from "../../src/rehearse/machine-host.ts";
import type { Fleet, Rules, Running } from "../../src/targets/aws/templates/shared/running.ts";
import type { Edge, Upstream } from "../../src/targets/local/balancer/api.ts";
import { production, SMALL } from "../targets/aws/templates/apps.ts";

const APP = production({ ...SMALL, services: { web: { command: "node server.js", port: 3000 }, worker: { command: "node worker.js" } } });
const web = (release: string, path: string): Fleet => {
  const settings = serviceOf(APP, "web");
  return { release, image: "ami-1", script: `start ${release}`, settings: { ...settings, health: { ...settings.health, path } } };
};
const worker: Fleet = { release: "a", image: "ami-1", script: "start worker", settings: serviceOf(APP, "worker") };
const rulesOf = (release: string): Rules => ({ release, routes: [], defaultService: "web" });

/** Machines that signal at once and complete their hooks; a balancer that keeps what it is told. */
function openFleets() {
  const told: { release: string | undefined; upstreams: string[] }[] = [];
  const removed: string[] = [];
  const booted: string[] = [];
  const held = new Set<string>();
  const calls: { action: string; from: string; input: Record<string, string> }[] = [];
  let count = 0;
  const host = {
    calls,
    boot({ role, life }: BootInput) {
      const name = `${role}-${++count}`;
      booted.push(name);
      const hooks = setInterval(() => !held.has(name) && ["boot", "drain"].some((hook) => life?.complete(hook, "CONTINUE")), 1);
      hooks.unref();
      const gone = async () => void removed.push(name);
      return { id: `i-${count}`, name, address: `10.0.0.${count}`, subject: {}, off: new Promise(() => {}), remove: gone, powerOff: async () => {} };
    },
    async called(fits: (call: (typeof calls)[number]) => boolean) {
      for (let number = 1; number <= count; number++) {
        calls.push({ action: "SignalResource", from: "", input: { UniqueId: `i-${number}`, Status: "SUCCESS" } });
      }
      return calls.find(fits);
    },
  };
  const describe = ({ id, state, share, health }: Upstream) =>
    `${id} ${health?.path} ${state === "draining" ? "draining" : share === undefined ? "the rest" : share}`;
  const balancer = {
    configure: async ({ edge, upstreams }: { edge: Edge; upstreams: Upstream[] }) =>
      void told.push({ release: edge.release, upstreams: upstreams.map(describe) }),
  };
  const edgeOf = async (rules?: Rules) => ({ release: rules?.release }) as Edge;
  const input = {
    deployment: APP,
    host,
    resources: { look: () => "" },
    images: "/images",
    balancer,
    edgeOf,
    emit: () => {},
    lettingGo: { sendsOnMs: 5, atMostMs: 5 },
  };
  /** Until the returned function is called, it completes no hook. */
  const hold = (name: string) => {
    held.add(name);
    return () => held.delete(name);
  };
  return { fleets: new MachineFleets(input as unknown as MachineFleetsInput), told, removed, booted, hold };
}

describe("the fleets of a rehearsal", () => {
  it("get requests by the rules of the release that serves: rules and shares switch in one change", async () => {
    const { fleets, told } = openFleets();
    const before: Running = { web: { blue: web("a", "/old") } };
    await fleets.change(before);
    await fleets.route({ running: before, rules: rulesOf("a") });
    const both: Running = { web: { blue: { ...web("a", "/old"), weight: 999 }, green: { ...web("b", "/new"), weight: 0 } } };
    await fleets.route({ running: both, rules: rulesOf("a") });
    await fleets.change(both);
    expect(told.at(-1)).toEqual({ release: "a", upstreams: ["web-1 /old the rest", "web-2 /new 0"] });
    const known = told.length;
    const after: Running = { web: { green: web("b", "/new") } };
    await fleets.route({ running: after, rules: rulesOf("b") });
    expect(told.slice(known)).toEqual([{ release: "b", upstreams: ["web-1 /old 0", "web-2 /new the rest"] }]);
    await fleets.change(after);
    expect(told.at(-1)).toEqual({ release: "b", upstreams: ["web-2 /new the rest"] });
    expect(await fleets.observe()).toEqual({ running: after, rules: rulesOf("b") });
    fleets.close();
  });

  // What ends waits in its hook, and nobody waits for that: https://github.com/awslabs/amazon-eks-ami/issues/66,
  // https://github.com/buildkite/elastic-ci-stack-for-aws/pull/130
  it("start what replaces an instance while that one is still in its hook", async () => {
    const { fleets, removed, booted, hold } = openFleets();
    const alone = (release: string): Running => ({
      worker: { blue: { ...worker, release, settings: { ...serviceOf(APP, "worker"), singleton: true } } },
    });
    await fleets.change(alone("a"));
    const letGo = hold("worker-1");
    const changed = fleets.change(alone("b"));
    await expect.poll(() => booted).toEqual(["worker-1", "worker-2"]);
    expect(removed).toEqual([]);
    letGo();
    await changed;
    expect(removed).toEqual(["worker-1"]);
    fleets.close();
  });

  it("leave nothing of a service that the release has no more", async () => {
    const { fleets, removed } = openFleets();
    const before: Running = { web: { blue: web("a", "/") }, worker: { blue: worker } };
    await fleets.change(before);
    await fleets.change({ web: { blue: web("a", "/") } });
    expect(removed).toEqual([expect.stringMatching(/^worker-/)]);
    expect(Object.keys((await fleets.observe()).running)).toEqual(["web"]);
    fleets.close();
  });
});
