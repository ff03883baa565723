// Whether a network that is there already can carry an environment, by what was observed of it. Pure.
import type { Deployment } from "../../../../config/deployment.ts";
import { typeOf } from "../../../../resources/index.ts";
import { batchSize, STRATEGIES } from "../../../../rollout/strategy.ts";
import { type ExistingNetwork, havePublicAddresses } from "./existing.ts";

export interface ObservedSubnet {
  vpc: string;
  zone: string;
  /** Addresses that nobody has. */
  free: number;
  /** Where its route to everywhere leads: `igw-…`, `nat-…`. Undefined when it has none. */
  way?: string;
  /** What it leads to is gone. */
  broken?: boolean;
}

export interface ObservedNetwork {
  /** Undefined when there is none of that id. */
  vpc?: { tenancy: string; dnsSupport: boolean; dnsHostnames: boolean; tags: Record<string, string> };
  /** By id; only those that are there. */
  subnets: Map<string, ObservedSubnet>;
}

export interface Unfit {
  what: string;
  why: string;
  next: string;
}

/** Of the elastic load balancer: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#subnets-load-balancer */
const BALANCER_ADDRESSES = 8;
/** Machines that make images and run phases. */
const TASK_ADDRESSES = 2;
const ZONES_MIN = 2;

/** Everything that does not fit, the network itself first. */
export function judgeNetwork(deployment: Deployment, existing: ExistingNetwork, observed: ObservedNetwork): Unfit[] {
  if (!observed.vpc)
    return [
      {
        what: `there is no network "${existing.vpc}" in this account and region`,
        why: "Landfall puts an environment into a network, and makes none of that id.",
        next: 'name a VPC of this account and region, or set "region" and "account" to where it is',
      },
    ];
  const ids = [...new Set([...existing.public, ...existing.instances])];
  const strange = ids.flatMap((id) => judgeMembership(id, existing.vpc, observed.subnets.get(id)));
  const found = (of: string[]): Found[] =>
    of.flatMap((id) => {
      const subnet = observed.subnets.get(id);
      return subnet?.vpc === existing.vpc ? [{ id, ...subnet }] : [];
    });
  const [open, inner] = [found(existing.public), found(existing.instances)];
  const hasPrivate = !havePublicAddresses(deployment.settings.network);
  return [
    ...judgeVpc(existing.vpc, observed.vpc),
    ...strange,
    ...open.flatMap(judgePublic),
    ...(hasPrivate ? inner.flatMap(judgePrivate) : []),
    // Of subnets that are not known nothing is said that depends on all of them.
    ...(strange.length > 0 ? [] : [...judgeZones(open, hasPrivate ? inner : []), ...judgeRoom(deployment, open, inner)]),
  ];
}

type Found = ObservedSubnet & { id: string };

function judgeVpc(id: string, { tenancy, dnsSupport, dnsHostnames, tags }: NonNullable<ObservedNetwork["vpc"]>): Unfit[] {
  const { "landfall:app": app, "landfall:environment": environment } = tags;
  const off = [...(dnsSupport ? [] : ["Support"]), ...(dnsHostnames ? [] : ["Hostnames"])];
  const switchOn = (attribute: string) => `aws ec2 modify-vpc-attribute --vpc-id ${id} --enable-dns-${attribute.toLowerCase()}`;
  return [
    ...(app === undefined
      ? []
      : [
          {
            what: `network "${id}" is that of environment "${environment}" of app "${app}"`,
            why: "It is removed when that environment is decommissioned.",
            next: "name a network that no environment of Landfall has made",
          },
        ]),
    ...(tenancy === "default"
      ? []
      : [
          {
            what: `network "${id}" has dedicated hardware for each instance`,
            why: `Its tenancy is "${tenancy}", which not every type of machine has, and which AWS bills apart from what Landfall counts.`,
            next: 'name a network whose tenancy is "default"',
          },
        ]),
    ...(off.length === 0
      ? []
      : [
          {
            what: `network "${id}" does not resolve names: ${off.map((attribute) => `enableDns${attribute}`).join(" and ")} ${off.length > 1 ? "are" : "is"} false`,
            why: "Instances reach AWS and their databases by name.",
            next: off.map(switchOn).join(" && "),
          },
        ]),
  ];
}

function judgeMembership(id: string, vpc: string, subnet: ObservedSubnet | undefined): Unfit[] {
  if (subnet?.vpc === vpc) return [];
  return [
    {
      what: subnet ? `subnet "${id}" is not in network "${vpc}"` : `there is no subnet "${id}" in this account and region`,
      why: subnet ? `It is in "${subnet.vpc}".` : "It may have been removed, or be of another region.",
      next: `name a subnet of "${vpc}"`,
    },
  ];
}

const leads = ({ way, broken }: ObservedSubnet): string =>
  way === undefined ? "It has no route to 0.0.0.0/0." : `Its route to 0.0.0.0/0 leads to "${way}"${broken ? ", which is not there any more" : ""}.`;

function judgePublic(subnet: Found): Unfit[] {
  if (subnet.way?.startsWith("igw-") && !subnet.broken) return [];
  return [
    {
      what: `subnet "${subnet.id}" is not public`,
      why: `${leads(subnet)} The balancer is reached through an internet gateway.`,
      next: 'add a route from it to an internet gateway, or name another subnet under "public"',
    },
  ];
}

function judgePrivate(subnet: Found): Unfit[] {
  const { id, way, broken } = subnet;
  if (way?.startsWith("igw-"))
    return [
      {
        what: `subnet "${id}" is public`,
        why: `${leads(subnet)} Instances in private subnets have no public address, without which nothing goes through an internet gateway.`,
        next: 'name another subnet under "private", or leave "private" out: then all is in the public subnets, with public addresses',
      },
    ];
  if (way !== undefined && !broken) return [];
  return [
    {
      what: `subnet "${id}" has no way out`,
      why: `${leads(subnet)} Instances fetch packages of Debian and call AWS; endpoints of the network lead to AWS alone.`,
      next: 'add a route from it to a NAT gateway or the like, or leave "private" out: then all is in the public subnets, with public addresses',
    },
  ];
}

function judgeZones(open: Found[], inner: Found[]): Unfit[] {
  const zonesOf = (subnets: Found[]) => new Set(subnets.map(({ zone }) => zone));
  const few = [["public", open] as const, ["private", inner] as const].filter(([, of]) => of.length > 0 && zonesOf(of).size < ZONES_MIN);
  const second = open.find(({ zone }, index) => open.findIndex((other) => other.zone === zone) < index);
  const outside = inner.filter(({ zone }) => !zonesOf(open).has(zone));
  return [
    ...few.map(([name, [first]]) => ({
      what: `the subnets under "${name}" are all in one zone, ${first?.zone}`,
      why: "A load balancer and databases are in two zones at least.",
      next: `name subnets of another zone under "${name}" as well`,
    })),
    ...(second === undefined || few.some(([name]) => name === "public")
      ? []
      : [
          {
            what: `subnet "${second.id}" is in zone ${second.zone}, as another one under "public" is`,
            why: "A load balancer takes one subnet of each zone.",
            next: `leave "${second.id}" out`,
          },
        ]),
    ...outside.map(({ id, zone }) => ({
      what: `subnet "${id}" is in zone ${zone}, which none under "public" is in`,
      why: "A load balancer sends nothing to instances in zones that it is not in itself.",
      next: `leave "${id}" out, or name a public subnet of ${zone}`,
    })),
  ];
}

function judgeRoom(deployment: Deployment, open: Found[], inner: Found[]): Unfit[] {
  const small = open.filter(({ free }) => free < BALANCER_ADDRESSES);
  const need = countAddresses(deployment);
  const shares = inner.some(({ id }) => open.some((subnet) => subnet.id === id));
  const free = inner.reduce((sum, subnet) => sum + Math.max(0, subnet.free - (shares ? BALANCER_ADDRESSES : 0)), 0);
  return [
    ...small.map(({ id, free: own }) => ({
      what: `subnet "${id}" has ${own} free addresses, and the balancer needs ${BALANCER_ADDRESSES}`,
      why: "A load balancer takes more of them as it gets more requests.",
      next: 'free some, or name a larger subnet under "public"',
    })),
    ...(free >= need
      ? []
      : [
          {
            what: `the subnets for instances have ${free} free addresses${shares ? " beside those of the balancer" : ""}, and the environment needs ${need}`,
            why: "Counted are all instances at their most while a release comes, databases, caches, and the machines that make images.",
            next: `name further or larger subnets under "${shares ? "public" : "private"}", or lower "instances"`,
          },
        ]),
  ];
}

/** The addresses that an environment takes at most. */
export function countAddresses({ services, resources, rollout }: Deployment): number {
  const { besideOld } = STRATEGIES[rollout.strategy];
  const instances = Object.values(services).map(({ kind, singleton, container, instances: { max } }) => {
    if (kind === "job" || singleton) return 1;
    if (besideOld) return 2 * max;
    if (container) return Math.max(max + 1, Math.floor((max * container.maxHealthy) / 100));
    return max + (rollout.surge ? batchSize(rollout.batch, max) : 0);
  });
  const data = Object.values(resources).filter((resource) => resource.url === undefined && typeOf(resource).inNetwork);
  // A second one in another zone, which may come later.
  return [...instances, ...data.map(() => 2)].reduce((sum, count) => sum + count, TASK_ADDRESSES);
}
