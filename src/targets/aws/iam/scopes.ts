// On which resources a call may be made, whichever service it is of.
import type { Deployment } from "../../../config/deployment.ts";
import type { Narrow, Scope, ServiceScopes, Site } from "../resource-types/entry/scope.ts";
import { anywhere, arn, everywhere, LISTS } from "../resource-types/entry/scope.ts";
import { SCOPES } from "../resource-types/index.ts";
import { stackName, stackPrefix } from "../templates/shared/names.ts";
import { hasContainers } from "../templates/shared/running.ts";

export function siteOf(deployment: Deployment): Site {
  const { account = "*", region = "*", domain } = deployment.settings;
  const partition = region.startsWith("cn-") ? "aws-cn" : region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
  const hosts = domain ? [domain.name, ...domain.aliases] : [];
  const names = [`*.${deployment.environment}.${deployment.app}.internal`, ...hosts.flatMap((host) => [host, `_*.${host}`])];
  return { app: deployment.app, environment: deployment.environment, account, region, partition, names, containers: hasContainers(deployment) };
}

/** Services that no type of a template is of. */
const OTHERS: Readonly<Record<string, ServiceScopes>> = {
  cloudformation: {
    all: (site) => ({
      resources: [`${stackPrefix(site)}*`, stackName(site, "shared")].map((stack) => arn(site, "cloudformation", `stack/${stack}/*`)),
    }),
    narrowReads: true,
    calls: {
      ListStacks: anywhere(LISTS),
      DescribeStacks: anywhere("The environment's stacks are found among all of the region, by their tags."),
      DescribeStackDriftDetectionStatus: anywhere(LISTS),
      // Asked of a change set, which is a thing of its own here; ours are all named so.
      DescribeEvents: (site) => ({ resources: [arn(site, "cloudformation", "changeSet/landfall-*/*")] }),
    },
  },
  pricing: { all: everywhere("Prices are no resources.") },
  servicequotas: { all: everywhere("Quotas are the account's own, and this only reads them.") },
  tag: { all: anywhere(LISTS) },
};

/** Where a call may be made; mostly one. */
export function scopesOf(action: string, site: Site): Scope[] {
  const [service = "", call = ""] = action.split(":");
  return [narrowOf(service, call)].flat().map((narrow) => narrow(site, call));
}

const READS = /^(Describe|List)/;

function narrowOf(service: string, call: string): Narrow | Narrow[] {
  const scopes = SCOPES[service] ?? OTHERS[service];
  if (!scopes) throw new TypeError(`nothing says on what "${service}:${call}" may be called`);
  const grants = scopes.calls?.[call];
  if (grants) return grants;
  return READS.test(call) && !scopes.narrowReads ? anywhere(LISTS) : scopes.all;
}
