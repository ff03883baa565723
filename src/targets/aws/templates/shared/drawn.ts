// The app as its stacks are drawn. What traffic meets is of the release that serves, and not of the configuration as it is at the moment: a service
// that runs is that of its release, and the routes are those in force. What is in no release (how many instances, on what) is as configured.
import { type DeployedService, type Deployment, serviceOf } from "../../../../config/deployment.ts";
import { LandfallError } from "../../../../error.ts";
import { type InstanceProxy, proxyOf } from "../../../../routing/placement.ts";
import { type Fleet, type Rules, type Running, type Slot, type Standing, servingFleet } from "./running.ts";

export interface DrawnFleet extends Fleet {
  settings: DeployedService;
}

export interface Drawn extends Deployment {
  /** As the file has it. */
  configured: Deployment;
  running: Record<string, Partial<Record<Slot, DrawnFleet>>>;
  /** Undefined while nothing has served. */
  rules?: Rules;
}

/** The services are those of the configuration, and those that run besides. Errors: STACK_REPLACEMENT_REFUSED for one of another kind. */
export function drawDeployment(configured: Deployment, standing: Standing): Drawn {
  const { rules } = standing;
  const running = Object.fromEntries(Object.entries(standing.running).map(([service, fleets]) => [service, drawFleets(configured, service, fleets)]));
  const live = Object.entries(running).flatMap(([service, fleets]): [string, DeployedService][] => {
    const fleet = servingFleet(fleets);
    return fleet?.settings ? [[service, fleet.settings]] : [];
  });
  const services = { ...configured.services, ...Object.fromEntries(live) };
  return { ...configured, services, routes: rules?.routes ?? configured.routes, configured, running, ...(rules ? { rules } : {}) };
}

function drawFleets(deployment: Deployment, service: string, fleets: Running[string]): Drawn["running"][string] {
  const configured = deployment.services[service];
  const drawn = Object.entries(fleets).map(([slot, fleet]): [string, DrawnFleet] => {
    const settings = fleet.settings ?? configured;
    if (!settings) throw new TypeError(`nothing says what service "${service}" is`);
    if (configured) assertSameKind(deployment.environment, service, { runs: settings, wanted: configured });
    const proxy = fleet.settings ? fleet.proxy : proxyOf(deployment, service);
    return [slot, { ...fleet, settings: configured ? withConfigured(settings, configured) : settings, ...(proxy ? { proxy } : {}) }];
  });
  return Object.fromEntries(drawn);
}

/** What is in no release. */
export const withConfigured = (settings: DeployedService, { instances, scaling, machine }: DeployedService): DeployedService => ({
  ...settings,
  instances,
  scaling,
  machine,
});

export interface Shape {
  settings: DeployedService;
  proxy?: InstanceProxy;
}

/** What is in the slot, or else what serves, or else what is configured: so a slot without a fleet changes nothing of what serves. */
export function shapeOf(drawn: Drawn, service: string, slot?: Slot): Shape {
  const fleets = drawn.running[service] ?? {};
  const fleet = (slot && fleets[slot]) ?? servingFleet(fleets);
  if (fleet?.settings) return { settings: fleet.settings, proxy: fleet.proxy };
  return { settings: serviceOf(drawn, service), proxy: proxyOf(drawn.configured, service) };
}

/** Where its instances take requests; undefined when they take none. */
export const trafficPortOf = ({ settings, proxy }: Pick<Fleet, "settings" | "proxy">): number | undefined =>
  settings?.kind === "web" ? (proxy?.port ?? settings.port) : undefined;

interface Kinds {
  runs: DeployedService;
  wanted: DeployedService;
}

const kindOf = ({ container }: DeployedService) => (container ? "containers" : "machines");

/** Two kinds of fleet cannot take turns in one target group. Errors: STACK_REPLACEMENT_REFUSED. */
export function assertSameKind(environment: string, service: string, { runs, wanted }: Kinds): void {
  const [from, to] = [kindOf(runs), kindOf(wanted)];
  if (from === to) return;
  throw new LandfallError({
    code: "STACK_REPLACEMENT_REFUSED",
    what: `service "${service}" of environment "${environment}" runs as ${from}, and is to run as ${to}`,
    why: "Its instances would all go before the first new one could be started.",
    standing: "Nothing was changed.",
    next: `add a second service of another name that runs as ${to}, send it the requests, and then remove this one`,
  });
}

/**
 * A singleton changes in its place. Where that replaces its target group, which has one port for good, or takes it away, the rules would lead to what is
 * gone until all of the release stands. Errors: STACK_REPLACEMENT_REFUSED.
 */
export function assertKeepsTarget(environment: string, service: string, { runs, wanted }: { runs: Fleet; wanted: Fleet }): void {
  const [from, to] = [trafficPortOf(runs), trafficPortOf(wanted)];
  if (!wanted.settings?.singleton || from === undefined || from === to) return;
  const port = runs.settings?.port;
  const change = to === undefined ? "take none" : `listen at port ${wanted.settings.port} instead of ${port}`;
  throw new LandfallError({
    code: "STACK_REPLACEMENT_REFUSED",
    what: `the singleton "${service}" of environment "${environment}" takes requests, and is to ${change}`,
    why: `Requests come to its instance by port ${from}${to === undefined ? "" : `, and would come by port ${to}`}. There are never two of it, so that nobody would answer until the whole release stands.`,
    standing: "Nothing was changed.",
    next: `${to === undefined ? "" : "keep its port, or "}add a service of another name that is as wanted, send it the requests, and then remove this one`,
  });
}
