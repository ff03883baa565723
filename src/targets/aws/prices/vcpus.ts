// How many vCPUs the machines of an environment have together, and how many the account may run at once. A new account mostly may run 5, which AWS
// raises when it is asked: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html. What else runs in the account, other
// environments too, is not counted.
import type { Deployment } from "../../../config/deployment.ts";
import { STRATEGIES } from "../../../rollout/strategy.ts";
import type { Clients } from "../account/clients.ts";
import { type Names, ownerOf } from "../plan/owners.ts";
import { parseTemplates, relationsOf, type StandingStack } from "../plan/template.ts";
import { RESOURCE_TYPES } from "../resource-types/index.ts";

/** One quota for machines on demand, and one for spare capacity. */
export type Market = "onDemand" | "spot";

interface Quota {
  code: string;
  words: string;
}

const QUOTAS: Readonly<Record<Market, Quota>> = {
  onDemand: { code: "L-1216C47A", words: "on demand" },
  spot: { code: "L-34B43A08", words: "of spare capacity" },
};
export const MARKETS = Object.keys(QUOTAS) as Market[];
const NEW_ACCOUNT = 5;
/** Of the machine that makes an image or runs a phase. */
const BUILDER = 2;

/** Families of these quotas; those of others (G, P, X, Inf, …) have their own. */
const STANDARD = /^(a|c|d|h|i|im|is|m|r|t|z)\d/;
/** Of old generations, whose largest are no multiple of the others. */
const UNEVEN: Readonly<Record<string, number>> = { "c4.8xlarge": 36, "d2.8xlarge": 36 };
const SMALL = ["nano", "micro", "small", "medium"];

/**
 * By its name: `t4g.small` 2, `m7g.medium` 1, `c7g.2xlarge` 8. Undefined for what is not of the standard families, or has its own number, as bare metal.
 */
export function vcpusOf(type: string): number | undefined {
  const [family = "", size = ""] = type.split(".");
  if (!STANDARD.test(family)) return undefined;
  if (SMALL.includes(size)) return /^t[^12]/.test(family) || type === "t2.medium" ? 2 : 1;
  if (size === "large") return 2;
  const [, times] = /^(\d*)xlarge$/.exec(size) ?? [];
  return times === undefined ? undefined : (UNEVEN[type] ?? 4 * (Number(times) || 1));
}

/** All the time, with everything that scales at its most; and at the most, while a release comes. */
export interface Vcpus {
  steady: number;
  most: number;
}

/** `stacks` with a fleet for every service. Pure. */
export function countVcpus({ services, rollout }: Deployment, stacks: readonly StandingStack[], names: Names): Record<Market, Vcpus> {
  const total = { onDemand: { steady: 0, most: 0 }, spot: { steady: 0, most: 0 } };
  const { besideOld, fleets } = STRATEGIES[rollout.strategy];
  for (const [stack, template] of parseTemplates(stacks))
    for (const [id, { Type, Properties = {} }] of Object.entries(template.Resources)) {
      const machines = RESOURCE_TYPES[Type]?.machines?.({ properties: Properties, zones: 0, ...relationsOf(id, template) });
      if (!machines) continue;
      const each = Math.max(...machines.types.map((type) => vcpusOf(type) ?? 0));
      const service = services[ownerOf(names, stack, id).replace(/^service /, "")];
      const isDoubled = besideOld && service?.kind === "web";
      // A canary stands in the new fleet, and its baseline beside both; a worker's pilot beside its fleet.
      const baseline = fleets === 3 ? rollout.canary.instances : 0;
      const pilot = service && service.kind !== "web" && service.kind !== "job" && !service.singleton ? 1 : 0;
      const more = isDoubled ? machines.steady + baseline : machines.most - machines.steady + pilot;
      const market = total[machines.spot ? "spot" : "onDemand"];
      market.steady += each * machines.steady;
      market.most += each * (machines.steady + more);
    }
  const { steady, most } = total.onDemand;
  const builds = Object.values(services).some(({ container }) => !container);
  return { ...total, onDemand: { steady, most: Math.max(most, builds ? steady + BUILDER : 0) } };
}

/** What the account is short of; asked only where a new account would be. Never rejects. */
export async function vcpuNotes(environment: string, needs: Record<Market, Vcpus>, asked?: { clients: Clients; region: string }): Promise<string[]> {
  const short = MARKETS.filter((market) => needs[market].most > NEW_ACCOUNT);
  const notes = short.map(async (market) => {
    const limit = asked && (await askQuota(asked.clients, market));
    if (limit !== undefined && needs[market].most <= limit) return [];
    const has =
      limit === undefined
        ? `; what the account may run was not learned, and a new one mostly may run ${NEW_ACCOUNT}`
        : `, and the account may run ${limit}`;
    return [`environment "${environment}" runs ${describeNeed(market, needs[market])}${has}: ${describeRaise(market, needs[market], asked?.region)}`];
  });
  return (await Promise.all(notes)).flat();
}

/** How many may run at once; undefined when the account does not say. */
export async function askQuota(clients: Clients, market: Market): Promise<number | undefined> {
  try {
    const { Quota } = await (await clients.serviceQuotas()).getServiceQuota({ ServiceCode: "ec2", QuotaCode: QUOTAS[market].code });
    return Quota?.Value;
  } catch {
    return undefined;
  }
}

export const describeNeed = (market: Market, { steady, most }: Vcpus): string =>
  `up to ${most} vCPUs at once ${QUOTAS[market].words}, ${steady} of them all the time`;

/** The command that asks AWS for more. */
export function describeRaise(market: Market, { most }: Vcpus, region: string | undefined): string {
  const place = region === undefined ? "" : ` --region ${region}`;
  return `aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${QUOTAS[market].code}${place} --desired-value ${most}`;
}
