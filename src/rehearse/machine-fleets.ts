// The fleets of a rehearsal: machines are started as an auto-scaling group starts them, given requests by the local balancer in the shares of the
// plan from when they are in service, counted when they signal, and ended by the lifecycle hook once the balancer has let go of them.
import { createServer, type Server } from "node:net";
import { LandfallError } from "../error.ts";
import { handoverMs } from "../machine/lease.ts";
import type { Outcome } from "../rollout/verdict.ts";
import { systemClock } from "../system/clock.ts";
import { settleAll } from "../system/settle.ts";
import { type BootReport, describeReport, wordsOf } from "../targets/aws/releases/boot-report.ts";
import type { FleetDriver, FleetHealth, FleetName, HeardOutcomes, RoutesChange, Trial } from "../targets/aws/releases/driver.ts";
import { trafficPortOf } from "../targets/aws/templates/shared/drawn.ts";
import { type Rules, type Running, type Slot, type Standing, servingSlot } from "../targets/aws/templates/shared/running.ts";
import type { Edge, Upstream } from "../targets/local/balancer/api.ts";
import type { Balancer } from "../targets/local/balancer/balancer.ts";
import { handlingOf } from "../targets/local/rollout/balancer-config.ts";
import { describeDuration } from "../text/units.ts";
import { layersOf, type RehearsalPlace } from "./driver.ts";
import { compileFleets, type FleetTemplate } from "./fleet-template.ts";
import { InstanceLife } from "./instance-life.ts";
import type { Instance, MachineHost } from "./machine-host.ts";

const BOOT_MS = 5 * 60_000;
/** Of the time in which AWS watches a switch. */
const WATCH_MS_MAX = 5_000;
const OUTCOMES_EVERY_MS = 500;

/**
 * What AWS's balancer takes to let go of an instance. It was seen to send requests for about ten seconds after it had been told not to:
 * https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1719
 */
const LETTING_GO: LettingGo = { sendsOnMs: 10_000, atMostMs: 12_000 };

interface LettingGo {
  /** Requests come for so long after the group has said that an instance ends. */
  sendsOnMs: number;
  /** Of the time that the hook of a real group would wait for the balancer. */
  atMostMs: number;
}

interface Member {
  instance: Instance;
  life: InstanceLife;
  template: FleetTemplate;
  /** As the balancer knows it: `starting` until it is in service. */
  state: "starting" | "attached" | "draining";
  /** It has signalled that it works. */
  works: boolean;
  /** The group ends it. */
  ends: boolean;
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

export interface MachineFleetsInput extends RehearsalPlace {
  balancer: Balancer;
  /** What the balancer goes by while these rules are in force, or while nothing has served yet. */
  edgeOf(rules?: Rules): Promise<Edge>;
  lettingGo?: LettingGo;
}

export class MachineFleets implements FleetDriver {
  readonly started: Started[] = [];
  readonly #input: MachineFleetsInput;
  #members: Member[] = [];
  #fleets: Running = {};
  /** The shares of the requests. */
  #routes: Running = {};
  #rules: Rules | undefined;

  constructor(input: MachineFleetsInput) {
    this.#input = input;
  }

  async observe(): Promise<Standing> {
    const running = mapFleets(this.#fleets, ({ weight: _, ...fleet }, name) => {
      const weight = this.#routes[name.service]?.[name.slot]?.weight;
      return { ...fleet, ...(weight === undefined ? {} : { weight }) };
    });
    return { running, ...(this.#rules ? { rules: this.#rules } : {}) };
  }

  async change(running: Running): Promise<void> {
    const templates = compileFleets(this.#input.deployment, running, this.#input.resources.look);
    const services = new Set([...Object.keys(running), ...this.#members.map(({ template }) => template.service)]);
    await settleAll([...services].map((service) => this.#changeService(service, templates)));
    this.#fleets = running;
  }

  /** As CloudFormation does: what is new comes up first, and what is not wanted any more goes last. */
  async #changeService(service: string, templates: FleetTemplate[]): Promise<void> {
    const wanted = templates.filter((template) => template.service === service);
    await settleAll(wanted.map((template) => this.#bring(template)));
    await this.#end(this.#members.filter(({ template }) => template.service === service && !wanted.some(({ slot }) => slot === template.slot)));
  }

  async #bring(template: FleetTemplate): Promise<void> {
    const { count, batch, surge } = template;
    for (let old = this.#others(template); old.length > 0; old = this.#others(template)) {
      const going = old.slice(0, batch);
      const start = () => this.#start(template, Math.min(going.length, count - this.#same(template).length));
      // CloudFormation does not wait for what ends: https://github.com/awslabs/amazon-eks-ami/issues/66
      if (!surge) await settleAll([this.#end(going), start()]);
      else {
        await start();
        await this.#end(going);
      }
    }
    await this.#start(template, count - this.#same(template).length);
    await this.#end(this.#same(template).slice(count));
  }

  #of({ service, slot }: FleetName): Member[] {
    return this.#members.filter(({ template, ends }) => template.service === service && template.slot === slot && !ends);
  }

  #same(template: FleetTemplate): Member[] {
    return this.#of(template).filter((member) => isWorking(member) && isSameLaunch(member.template, template));
  }

  #others(template: FleetTemplate): Member[] {
    return this.#of(template).filter((member) => !isWorking(member) || !isSameLaunch(member.template, template));
  }

  /** Boots so many at once. Errors: HEALTH_NEVER_PASSED, HEALTH_LOST, INSTANCE_CRASHED when one signals a failure. */
  async #start(template: FleetTemplate, count: number): Promise<void> {
    if (count <= 0) return;
    await settleAll(Array.from({ length: count }, () => this.#startOne(template)));
    await this.#tellBalancer();
  }

  async #startOne(template: FleetTemplate): Promise<void> {
    const { host } = this.#input;
    const { service, release, image, userData, tags, settings } = template;
    const { health } = settings;
    const began = performance.now();
    const life = new InstanceLife();
    const instance = host.boot({ role: service, userData, layers: layersOf(this.#input, image), tags, life });
    const member: Member = { instance, life, template, state: "starting", works: false, ends: false };
    this.#members.push(member);
    instance.subject.health = async () => ((await this.#isHealthy(member)) ? "healthy" : "unhealthy");
    const attached = this.#attach(member);
    // Whoever waits for the signal of one that failed does not come to wait for this.
    attached.catch(() => {});
    await waitForSignal(this.#input, member, BOOT_MS + handoverMs(settings) + health.startupTimeout + health.steadyFor);
    await attached;
    member.works = true;
    this.started.push({ service, release, signalMs: Math.round(performance.now() - began) });
  }

  /** A group registers an instance with the balancer once its launch hook has ended; without one at once, whether it serves or not. */
  async #attach(member: Member): Promise<void> {
    const { instance, life, template } = member;
    if (!(await life.launch(template.hooks.launch))) return instance.kill();
    if (member.ends) return;
    const port = trafficPortOf(template);
    if (port !== undefined) Object.assign(member, await forwardTo(this.#input.host, instance.address, port));
    member.state = "attached";
    await this.#tellBalancer();
  }

  /** As a group ends instances: the balancer lets go, then the hook until the instance completes it, power off. */
  async #end(members: Member[]): Promise<void> {
    if (members.length === 0) return;
    for (const member of members) member.ends = true;
    await Promise.all(
      members.map(async (member) => {
        const isInService = member.state === "attached";
        if (isInService) await this.#terminate(member);
        await (isInService ? member.instance.powerOff() : member.instance.kill());
        await member.instance.remove();
      }),
    );
    for (const { forward } of members) forward?.close();
    this.#members = this.#members.filter((member) => !members.includes(member));
    await this.#tellBalancer();
  }

  async #terminate(member: Member): Promise<void> {
    const { emit, signal } = this.#input;
    const { instance, life, template } = member;
    const completed = await life.terminate(this.#letGo(member), template.hooks.end);
    signal?.throwIfAborted();
    if (!completed) emit({ type: "warning", text: `${instance.name} did not complete its lifecycle hook in its time` });
  }

  async #letGo(member: Member): Promise<void> {
    const { lettingGo: { sendsOnMs, atMostMs } = LETTING_GO, signal } = this.#input;
    if (member.port === undefined) return;
    const stops = async () => {
      await systemClock.sleep(sendsOnMs, signal);
      member.state = "draining";
      await this.#tellBalancer();
    };
    await Promise.all([stops(), systemClock.sleep(Math.min(member.template.letGoMs, atMostMs), signal)]);
  }

  async route({ running, rules, watchMs = 0, slots = [] }: RoutesChange): Promise<void> {
    const { emit, signal } = this.#input;
    this.#routes = running;
    this.#rules = rules;
    await this.#tellBalancer();
    if (watchMs === 0) return;
    const heldMs = Math.min(watchMs, WATCH_MS_MAX);
    if (heldMs < watchMs)
      emit({ type: "note", text: `the old fleet stays warm for ${describeDuration(heldMs)} here, and for ${describeDuration(watchMs)} on AWS` });
    await systemClock.sleep(heldMs, signal);
    const unhealthy = (await this.health(slots)).find(({ healthy, wanted }) => healthy < wanted);
    if (unhealthy) throw await unhealthy.explain();
  }

  async #isHealthy({ instance }: Member): Promise<boolean> {
    const { upstreams } = await this.#input.balancer.observe();
    return upstreams.some(({ id, healthy }) => id === instance.name && healthy);
  }

  async health(fleets: FleetName[]): Promise<FleetHealth[]> {
    const { upstreams } = await this.#input.balancer.observe();
    return fleets.map((fleet) => {
      const members = this.#of(fleet);
      const isHealthy = ({ instance }: Member) => upstreams.some(({ id, healthy }) => id === instance.name && healthy);
      const unhealthy = members.filter((member) => !isHealthy(member));
      return {
        healthy: members.length - unhealthy.length,
        wanted: members.length,
        explain: async () => notHealthy(fleet, unhealthy),
      };
    });
  }

  async *outcomes(trials: Trial[]): AsyncGenerator<HeardOutcomes> {
    const { balancer, clock, signal } = this.#input;
    const idsOf = (service: string, slot: Slot) => this.#of({ service, slot }).map(({ instance }) => instance.name);
    const sides = trials.map(({ service, canary, baseline }) => ({ service, canary: idsOf(service, canary), baseline: idsOf(service, baseline) }));
    const ids = sides.flatMap(({ canary, baseline }) => [...canary, ...baseline]);
    const began = clock.now();
    let traffic = await balancer.observeTraffic({ ids });
    for (;;) {
      await clock.sleep(OUTCOMES_EVERY_MS, signal);
      traffic = await balancer.observeTraffic({ ids, after: Object.fromEntries(traffic.map(({ id, next }) => [id, next])) });
      const outcomesOf = (side: string[]): Outcome[] => traffic.filter(({ id }) => side.includes(id)).flatMap(({ samples }) => samples);
      const fresh = sides.map(({ service, canary, baseline }) => [service, { canary: outcomesOf(canary), baseline: outcomesOf(baseline) }] as const);
      yield { fresh: Object.fromEntries(fresh), elapsedMs: clock.now() - began };
    }
  }

  async serving(exceptRelease: string): Promise<{ instance: string; service: string }[]> {
    const serving = this.#members.filter((member) => isWorking(member) && member.template.release !== exceptRelease);
    return serving.map(({ instance, template }) => ({ instance: instance.name, service: template.service }));
  }

  run(instance: string, script: string): Promise<string> {
    const member = this.#members.find((one) => one.instance.name === instance);
    if (!member) throw new TypeError(`no machine "${instance}"`);
    return member.instance.run(script);
  }

  /** Lets go of the ports of this machine; the machines go with their host. */
  close(): void {
    for (const { forward } of this.#members) forward?.close();
  }

  async #tellBalancer(): Promise<void> {
    const { balancer, edgeOf } = this.#input;
    const upstreams = this.#members.flatMap(({ instance, template: { service, slot, settings }, state, port }): Upstream[] =>
      port === undefined || state === "starting"
        ? []
        : [{ id: instance.name, service, port, state, share: this.#shareOf({ service, slot }), ...handlingOf({ [service]: settings })[service] }],
    );
    await balancer.configure({ edge: await edgeOf(this.#rules), upstreams });
  }

  /** Of one instance; undefined for those of the fleet that gets what the others do not. */
  #shareOf({ service, slot }: FleetName): number | undefined {
    const shares = this.#routes[service] ?? {};
    if (servingSlot(shares) === slot) return undefined;
    const total = Object.values(shares).reduce((sum, { weight = 0 }) => sum + weight, 0);
    return total === 0 ? 0 : (shares[slot]?.weight ?? 0) / total / Math.max(1, this.#of({ service, slot }).length);
  }
}

const isWorking = ({ works, ends }: Member): boolean => works && !ends;
const isSameLaunch = (one: FleetTemplate, other: FleetTemplate): boolean => one.image === other.image && one.userData === other.userData;

function mapFleets(running: Running, make: (fleet: Running[string][Slot] & object, name: FleetName) => Running[string][Slot]): Running {
  return Object.fromEntries(
    Object.entries(running).map(([service, fleets]) => [
      service,
      Object.fromEntries(Object.entries(fleets).map(([slot, fleet]) => [slot, make(fleet, { service, slot: slot as Slot })])),
    ]),
  );
}

async function forwardTo(host: MachineHost, address: string, to: number): Promise<Pick<Member, "port" | "forward">> {
  const forward = createServer({ allowHalfOpen: true, noDelay: true }, async (socket) => {
    socket.on("error", () => socket.destroy());
    try {
      const further = await host.dial(address, to);
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

async function waitForSignal({ host, resources }: RehearsalPlace, { instance, template }: Member, timeoutMs: number): Promise<void> {
  const off = instance.off.then(() => {
    throw notWorking(template, instance, "it went off before it signalled anything");
  });
  off.catch(() => {});
  const signal = await Promise.race([host.called((call) => call.action === "SignalResource" && call.input.UniqueId === instance.id, timeoutMs), off]);
  if (signal.input.Status === "SUCCESS") return;
  const text = (await resources.artifacts.get(`reports/${template.stack}/${instance.id}.json`))?.toString();
  throw notWorking(template, instance, `it signalled ${signal.input.Status}`, text === undefined ? undefined : (JSON.parse(text) as BootReport));
}

const CONSOLE_LINES = 15;
const consoleOf = (instance: Instance): [string, string][] =>
  instance
    .output()
    .split(/\r?\n/)
    .filter(Boolean)
    .slice(-CONSOLE_LINES)
    .map((line, index): [string, string] => [index === 0 ? "console" : "", line]);

/** With what it left in its report, as `deploy` on AWS shows it; without one, with its console's last lines. */
function notWorking({ service }: FleetTemplate, instance: Instance, why: string, report?: BootReport): LandfallError {
  const instances = `the new instances of service "${service}"`;
  return new LandfallError({
    ...(report ? wordsOf(report, instances) : { code: "INSTANCE_CRASHED", what: `${instances} did not become healthy` }),
    why,
    evidence: report ? describeReport(instance.name, report) : [["machine", instance.name], ...consoleOf(instance)],
    standing: "The old release serves all requests.",
  });
}

function notHealthy({ service, slot }: FleetName, members: Member[]): LandfallError {
  return new LandfallError({
    code: "HEALTH_NEVER_PASSED",
    what: `the balancer does not find the new instances of service "${service}" (${slot}) healthy`,
    evidence: members.flatMap(({ instance }) => [["machine", instance.name], ...consoleOf(instance)] as [string, string][]),
    why: "They pass the check from their own machine. Mostly the app listens on 127.0.0.1 only, or answers otherwise to another host name.",
    standing: "The old release serves all requests.",
  });
}
