// From an environment's configuration to CloudFormation templates. A pure function: nothing is read, looked up or uploaded, and the
// same configuration gives the same bytes.
import type { App as CdkApp } from "aws-cdk-lib";
import type { Deployment } from "../../../config/deployment.ts";
import { addService } from "./compute/service.ts";
import { addData } from "./data/data.ts";
import { addEdge } from "./edge/edge.ts";
import { addRoutes } from "./edge/routes.ts";
import { addNetwork } from "./network/network.ts";
import { addAlarms } from "./shared/alarms.ts";
import { makeCdkApp } from "./shared/cdk.ts";
import { drawDeployment } from "./shared/drawn.ts";
import { assertCountsFit, assertWithinLimits } from "./shared/quotas.ts";
import type { Rules, Running, Standing } from "./shared/running.ts";
import { addSharedStack } from "./shared/shared-stack.ts";
import type { StackBuilder, StackTemplate } from "./shared/stack-builder.ts";

export type { Fleet, Running } from "./shared/running.ts";
export type { StackTemplate } from "./shared/stack-builder.ts";

/**
 * The templates of an environment, in an order in which each stands after those that it depends on: `shared` (shared by the
 * app's environments in one region), `network`, `alarms`, `data`, `edge`, one `service` each, `routes`. Without resources there is no
 * `data`, without a web service neither `edge` nor `routes`. `running` says which fleets there are; without it services have their
 * frames and no instance. `rules` are those in force; without them nothing has served yet, and the configuration's are drawn.
 * Errors: AWS_LIMIT; STACK_REPLACEMENT_REFUSED for a service that runs as another kind.
 */
export function makeStacks(deployment: Deployment, running: Running = {}, rules?: Rules): StackTemplate[] {
  assertWithinLimits(deployment);
  return buildStacks({ ...deployment, running, rules, cdkApp: makeCdkApp() }).map((builder) => builder.compile());
}

/** The same stacks as constructs, for checkers that look at those. */
export function buildStacks({ cdkApp, running, rules, ...deployment }: Deployment & Standing & { cdkApp: CdkApp }): StackBuilder[] {
  const site = { ...drawDeployment(deployment, { running, rules }), cdkApp };
  assertCountsFit(site);
  const shared = addSharedStack(site);
  const network = addNetwork(site);
  const alarms = addAlarms(site);
  const data = addData(site, network, alarms);
  const edge = addEdge(site, network, alarms);
  const services = new Map(Object.keys(site.services).map((name) => [name, addService(site, name, { shared, network, alarms, data, edge })]));
  const routes = addRoutes(site, edge, services);
  return [shared, network, alarms, data, edge, ...services.values(), routes].filter((builder) => builder !== undefined);
}
