// AWS's quotas, compared with the needs of an environment. What cannot be raised is an error before anything is made;
// what AWS raises when it is asked is a note of `landfall check` and of a plan. Pure.
import type { Deployment } from "../../../../config/deployment.ts";
import type { Environment } from "../../../../config/schema.ts";
import { LandfallError } from "../../../../error.ts";
import { isDatabase } from "../../../../resources/index.ts";
import { STRATEGIES } from "../../../../rollout/strategy.ts";
import { drainPaths, placeRoutes, webServices } from "../../../../routing/placement.ts";

/** The most values that the conditions of one rule may have together (Elastic Load Balancing, "Quotas", 2026). */
export const CONDITION_VALUES_MAX = 5;

interface Need {
  what: string;
  count: number;
  limit: number;
  /** Undefined when AWS does not raise it. */
  quota?: string;
  /** For what is not raised. */
  next?: string;
}

/** Quotas of 2026 from the pages of Elastic Load Balancing and Amazon VPC. */
function needsOf(deployment: Deployment): Need[] {
  const web = webServices(deployment);
  // A target group for each.
  const { fleets } = STRATEGIES[deployment.rollout.strategy];
  const region = Object.values(deployment.environments).filter(
    ({ target, region, network }) => target === "aws" && region === deployment.settings.region && network.vpc === undefined,
  );
  const rules =
    Math.ceil(drainPaths(deployment).length / CONDITION_VALUES_MAX) + placeRoutes(deployment.routes).filter(({ action }) => action).length;
  const instances = web.reduce((sum, name) => sum + (deployment.services[name]?.instances.max ?? 0), 0);
  return [
    {
      what: "target groups of the balancer",
      count: web.length * fleets,
      limit: 100,
      next: 'divide the services between two apps, or choose another "strategy" of "rollout": rolling needs one for each service',
    },
    // One for all other requests, and one for each service, by which its target groups are checked.
    { what: "rules of the balancer", count: rules + 1 + web.length, limit: 100, quota: "Rules per Application Load Balancer" },
    { what: "instances behind the balancer", count: instances * Math.min(fleets, 2), limit: 1000, quota: "Targets per Application Load Balancer" },
    {
      what: "networks in one region, for the environments of this app and AWS's own default one",
      count: region.length + 1,
      limit: 5,
      quota: "VPCs per Region",
    },
    {
      what: "public addresses in one region, for the NAT of the environments of this app",
      count: region.reduce((sum, environment) => sum + addressesOf(environment), 0),
      limit: 5,
      quota: "EC2-VPC Elastic IPs",
    },
  ];
}

const addressesOf = ({ network: { nat, zones } }: Environment) => (nat === "gateway" ? zones : nat === "instance" ? 1 : 0);

/** What AWS has to be asked for first. */
export const quotaNotes = (deployment: Deployment): string[] =>
  needsOf(deployment).flatMap(({ what, count, limit, quota }) =>
    quota === undefined || count <= limit
      ? []
      : [
          `environment "${deployment.environment}" needs ${count} ${what}, and AWS gives ${limit} until it is asked for more: "${quota}" in Service Quotas`,
        ],
  );

/** Errors: AWS_LIMIT for what no account can have; CONFIG_CONFLICT for routes that nothing would go through. */
export function assertWithinLimits(deployment: Deployment): void {
  assertProxied(deployment);
  assertReaderIsMade(deployment);
  assertCountsFit(deployment);
}

/** Errors: AWS_LIMIT for more than any account can have. */
export function assertCountsFit(deployment: Deployment): void {
  const [first, ...more] = needsOf(deployment)
    .filter(({ count, limit, quota }) => quota === undefined && count > limit)
    .map(({ what, count, limit, next }) => beyondLimit({ where: `environment "${deployment.environment}"`, what, count, limit, next }));
  if (first) throw new LandfallError(first.parts, more);
}

/** A database's read-only user is made by the release phase on a machine. In a container's image is no client of a database. */
function assertReaderIsMade({ environment, services, resources }: Deployment): void {
  if (Object.values(services).some(({ container }) => !container)) return;
  const [id] = Object.entries(resources).find(([, resource]) => isDatabase(resource) && resource.url === undefined && resource.readOnlyUser) ?? [];
  if (id === undefined) return;
  throw new LandfallError({
    code: "CONFIG_CONFLICT",
    what: `database "${id}" has a read-only user, and all services of environment "${environment}" run as containers`,
    where: "resources in landfall.config.ts",
    why: "The user is made on a machine of the release phase, and this app has none.",
    standing: "Nothing was changed.",
    next: `add  readOnlyUser: false  to resource "${id}"`,
  });
}

/** What a balancer cannot do is left to the proxy on each machine; beside a container there is none. */
function assertProxied(deployment: Deployment): void {
  const service = webServices(deployment).find((name) => deployment.services[name]?.container);
  const [first, ...more] = placeRoutes(deployment.routes).flatMap(({ number, proxied }) =>
    service === undefined || proxied.length === 0
      ? []
      : [
          new LandfallError({
            code: "CONFIG_CONFLICT",
            what: `route ${number} ${proxied.join(" and ")}, and service "${service}" runs as containers in environment "${deployment.environment}"`,
            where: `routes in landfall.config.ts`,
            why: "A load balancer of AWS cannot do that. On machines a proxy beside the app does it; beside a container there is none.",
            standing: "Nothing was changed.",
            next: `let the app itself do it, or take "container" away from service "${service}"`,
          }),
        ],
  );
  if (first) throw new LandfallError(first.parts, more);
}

export interface Beyond {
  where: string;
  what: string;
  count: number;
  limit: number;
  next?: string;
}

export const beyondLimit = ({ where, what, count, limit, next }: Beyond) =>
  new LandfallError({
    code: "AWS_LIMIT",
    what: `${where} would have ${count} ${what}, and AWS allows ${limit}`,
    where,
    why: "This limit is the same for every account, and AWS does not raise it.",
    standing: "Nothing was changed.",
    next,
  });
