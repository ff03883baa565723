// From an environment's configuration to CloudFormation templates. A pure function: nothing is read, looked up or uploaded, and the
// same configuration gives the same bytes. Importing this file loads the CDK.
import type { EnvironmentApp } from "../../../config/app.ts";
import { refuseBeyondLimits } from "../limits.ts";
import { drawAlarms } from "./alarms.ts";
import type { Blueprint, Site, StackTemplate } from "./blueprint.ts";
import { makeCdkApp } from "./cdk.ts";
import { drawData } from "./data.ts";
import { drawEdge } from "./edge.ts";
import { drawFoundation } from "./foundation.ts";
import { drawNetwork } from "./network.ts";
import { drawRoutes } from "./routes.ts";
import type { Running } from "./running.ts";
import { drawService } from "./service.ts";

export type { StackTemplate } from "./blueprint.ts";
export type { Fleet, Running } from "./running.ts";

/**
 * The templates of an environment, in an order in which each stands after those that it depends on: `foundation` (shared by the
 * app's environments in one region), `network`, `alarms`, `data`, `edge`, one `service` each, `routes`. Without resources there is no
 * `data`, without a web service neither `edge` nor `routes`. `running` says which fleets there are; without it services have their
 * frames and no instance. Errors: AWS_LIMIT.
 *
 * @example makeStacks(appIn(app, "production")).map(({ name }) => name) // ["guestbook-foundation", "guestbook-production-network", ...]
 */
export function makeStacks(app: EnvironmentApp, running: Running = {}): StackTemplate[] {
  refuseBeyondLimits(app);
  return drawStacks({ ...app, running, cdkApp: makeCdkApp() }).map((blueprint) => blueprint.compile());
}

/** The same stacks as constructs, for checkers that look at those. */
export function drawStacks(site: Site): Blueprint[] {
  const foundation = drawFoundation(site);
  const network = drawNetwork(site);
  const alarms = drawAlarms(site);
  const data = drawData(site, network, alarms);
  const edge = drawEdge(site, network, alarms);
  const services = new Map(
    Object.keys(site.app.services).map((name) => [name, drawService(site, name, { foundation, network, alarms, data, edge })]),
  );
  const routes = drawRoutes(site, edge, services);
  return [foundation, network, alarms, data, edge, ...services.values(), routes].filter((blueprint) => blueprint !== undefined);
}
