// The fleets of a rehearsal: instances are started as an auto-scaling group starts them, counted when they signal, given requests, and ended
// by the lifecycle hook.
import { createServer, type Server } from "node:net";
import type { Service } from "../config/schema.ts";
import { LandfallError } from "../error.ts";
import type { BootReport, ReleaseArtifact } from "../machine/index.ts";
import { trafficPort } from "../targets/aws/routes.ts";
import type { Edge, Upstream } from "../targets/local/balancer/api.ts";
import type { Balancer } from "../targets/local/balancer/balancer.ts";
import type { Image, Workplace } from "./errands.ts";
import type { Ground, Instance } from "./ground.ts";
import type { UserData } from "./user-data.ts";

const BOOT_MS = 5 * 60_000;
const HOOK_MS = 60_000;

/** A release as instances of each service are started with it. */
export interface Rehearsed {
  artifact: ReleaseArtifact;
  image: Image;
  userData: Record<string, UserData>;
}

export interface Running {
  instance: Instance;
  service: string;
  release: string;
  state: "attached" | "warm" | "draining";
  /** Where the balancer finds it on this machine; web services only. */
  port?: number;
  forward?: Server;
}

export interface Started {
  service: string;
  release: string;
  /** From power-on to its signal. */
  signalMs: number;
}

export interface Site extends Workplace {
  balancer: Balancer;
  edge: Edge;
}

export class Fleets {
  readonly running: Running[] = [];
  readonly started: Started[] = [];
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  of(service: string): Running[] {
    return this.running.filter((one) => one.service === service && one.state !== "draining");
  }

  /** Boots so many at once. They get requests only when `attach` says so. Throws HEALTH_NEVER_PASSED as soon as one signals a failure. */
  async start(service: string, { artifact, image, userData }: Rehearsed, count: number): Promise<Running[]> {
    const { text, stack, tags } = userData[service] as UserData;
    const release = artifact.id;
    const { ground, app } = this.#site;
    const settings = app.app.services[service] as Service;
    return Promise.all(
      Array.from({ length: count }, async () => {
        const began = performance.now();
        const instance = ground.boot({ role: service, userData: text, layers: [image.folder], tags });
        await waitForSignal(this.#site, { instance, stack, service, timeoutMs: BOOT_MS + settings.health.deadline });
        this.started.push({ service, release, signalMs: Math.round(performance.now() - began) });
        const one: Running = { instance, service, release, state: "warm" };
        if (settings.port !== undefined) Object.assign(one, await forwardTo(ground, instance.address, trafficPort(app.app, service)));
        this.running.push(one);
        return one;
      }),
    );
  }

  /** What gets requests from now on; all else that runs gets none. One change for the balancer. */
  async attach(running: readonly Running[]): Promise<void> {
    for (const one of this.running) if (one.state !== "draining") one.state = running.includes(one) ? "attached" : "warm";
    await this.#tellBalancer();
  }

  /** As a group ends an instance: no new requests, the hook until the instance completes it, power off. */
  async end(running: readonly Running[]): Promise<void> {
    for (const one of running) one.state = "draining";
    await this.#tellBalancer();
    await Promise.all(running.map((one) => this.#endOne(one)));
    await this.#tellBalancer();
  }

  async #endOne(one: Running): Promise<void> {
    const { ground, emit, app } = this.#site;
    const { drain, stop } = app.app.services[one.service] as Service;
    const { instance } = one;
    const known = ground.calls.length;
    instance.subject.lifecycleState = "Terminated";
    await ground
      .called(
        (call) => call.action === "CompleteLifecycleAction" && call.from === instance.address && ground.calls.indexOf(call) >= known,
        HOOK_MS + drain.timeout + stop.timeout,
      )
      .catch((error) => {
        this.#site.signal?.throwIfAborted();
        emit({ type: "note", text: `${instance.name} did not complete its lifecycle hook: ${(error as Error).message}` });
      });
    await instance.powerOff();
    await instance.remove();
    one.forward?.close();
    this.running.splice(this.running.indexOf(one), 1);
  }

  /** Lets go of the ports of this machine; the machines go with their ground. */
  close(): void {
    for (const { forward } of this.running) forward?.close();
  }

  /** Of those that are warm the balancer knows nothing. */
  async #tellBalancer(): Promise<void> {
    const { balancer, edge } = this.#site;
    const upstreams = this.running.flatMap(({ instance, service, state, port }): Upstream[] =>
      port === undefined || state === "warm" ? [] : [{ id: instance.name, service, port, state }],
    );
    await balancer.configure({ edge, upstreams });
  }
}

async function forwardTo(ground: Ground, address: string, to: number): Promise<Pick<Running, "port" | "forward">> {
  const forward = createServer({ allowHalfOpen: true, noDelay: true }, async (socket) => {
    socket.on("error", () => socket.destroy());
    try {
      const further = await ground.dial(address, to);
      socket.on("close", () => further.destroySoon());
      further.on("error", () => socket.destroy()).on("close", () => socket.destroySoon());
      socket.pipe(further).pipe(socket);
    } catch {
      socket.destroy();
    }
  });
  await new Promise<void>((resolve) => forward.listen(0, "127.0.0.1", resolve));
  return { forward, port: (forward.address() as { port: number }).port };
}

interface Awaited {
  instance: Instance;
  stack: string;
  service: string;
  timeoutMs: number;
}

async function waitForSignal(
  { ground, resources }: Pick<Site, "ground" | "resources">,
  { instance, stack, service, timeoutMs }: Awaited,
): Promise<void> {
  const off = instance.off.then(() => {
    throw notWell(instance, service, `machine ${instance.name} went off before it signalled anything`);
  });
  off.catch(() => {});
  const signal = await Promise.race([
    ground.called((call) => call.action === "SignalResource" && call.input.UniqueId === instance.id, timeoutMs),
    off,
  ]);
  if (signal.input.Status === "SUCCESS") return;
  const text = (await resources.artifacts.get(`reports/${stack}/${instance.id}.json`))?.toString();
  throw notWell(instance, service, `machine ${instance.name} signalled ${signal.input.Status}`, text ? (JSON.parse(text) as BootReport) : undefined);
}

/** With what the instance left in its report, as `deploy` on AWS would show it; without one, with its console's last lines. */
function notWell(instance: Instance, service: string, what: string, report?: BootReport): LandfallError {
  const rows = (label: string, lines: string[]) => lines.map((line, index): [string, string] => [index === 0 ? label : "", line]);
  return new LandfallError({
    code: "HEALTH_NEVER_PASSED",
    what: `an instance of service "${service}" did not come up in the rehearsal`,
    where: what,
    why: report?.why,
    evidence: report
      ? [
          ...rows("step", [report.step]),
          ...rows("asked", report.asked ? [report.asked] : []),
          ...rows("answered", report.answered),
          ...rows("last log", report.tail.slice(-15)),
        ]
      : rows("console", instance.output().split(/\r?\n/).filter(Boolean).slice(-15)),
    standing: "Nothing of the rehearsal is left, and nothing else was changed.",
  });
}
