// Where requests came in: balancers, certificates, firewalls, names.
import type { ListResourceRecordSetsCommandOutput, ResourceRecordSet } from "@aws-sdk/client-route-53";
import { pages } from "../../pages.ts";
import type { Kind, Sighting, Survey } from "../thing.ts";
import { each, isGone } from "./look.ts";

const balancingOf = ({ context }: Survey) => context.clients.balancing();
const namesOf = ({ context }: Survey) => context.clients.route53();

const BALANCER: Kind = {
  name: "load balancer",
  arn: /^(arn:[^:]*:elasticloadbalancing:.*:loadbalancer\/.+)$/,
  type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
  look: async (survey, ids) => {
    const balancing = await balancingOf(survey);
    return each(ids, async (id) => {
      const one = (await balancing.describeLoadBalancers({ LoadBalancerArns: [id] })).LoadBalancers?.[0];
      return one && { detail: one.LoadBalancerName };
    });
  },
  remove: async (survey, id) => (await balancingOf(survey)).deleteLoadBalancer({ LoadBalancerArn: id }),
};

const TARGET_GROUP: Kind = {
  name: "target group",
  arn: /^(arn:[^:]*:elasticloadbalancing:.*:targetgroup\/.+)$/,
  type: "AWS::ElasticLoadBalancingV2::TargetGroup",
  look: async (survey, ids) => {
    const balancing = await balancingOf(survey);
    return each(ids, async (id) => {
      const one = (await balancing.describeTargetGroups({ TargetGroupArns: [id] })).TargetGroups?.[0];
      return one && { detail: one.TargetGroupName };
    });
  },
  remove: async (survey, id) => (await balancingOf(survey)).deleteTargetGroup({ TargetGroupArn: id }),
};

const CERTIFICATE: Kind = {
  name: "certificate",
  arn: /^(arn:[^:]*:acm:.*:certificate\/.+)$/,
  type: "AWS::CertificateManager::Certificate",
  look: async ({ context }, ids) => {
    const acm = await context.clients.acm();
    return each(ids, async (id) => ({ detail: (await acm.describeCertificate({ CertificateArn: id })).Certificate?.DomainName }));
  },
  remove: async ({ context }, id) => (await context.clients.acm()).deleteCertificate({ CertificateArn: id }),
};

/** `regional/webacl/NAME/ID` */
const aclOf = (id: string) => ({ Scope: "REGIONAL" as const, Name: id.split("/")[0], Id: id.split("/")[1] });

const FIREWALL: Kind = {
  name: "firewall",
  arn: /:wafv2:.*:regional\/webacl\/(.+)$/,
  look: async ({ context }, ids) => {
    const firewalls = await context.clients.firewalls();
    return each(ids, async (id) => ((await firewalls.getWebACL(aclOf(id))).WebACL ? {} : undefined));
  },
  remove: async ({ context }, id) => {
    const firewalls = await context.clients.firewalls();
    const { LockToken } = await firewalls.getWebACL(aclOf(id));
    await firewalls.deleteWebACL({ ...aclOf(id), LockToken });
  },
};

const ZONE: Kind = {
  name: "private zone",
  arn: /:route53:::hostedzone\/(.+)$/,
  type: "AWS::Route53::HostedZone",
  find: async (survey) => {
    const route53 = await namesOf(survey);
    const name = `${survey.environment}.${survey.app}.internal.`;
    const { HostedZones = [] } = await route53.listHostedZonesByName({ DNSName: name, MaxItems: 10 });
    const found: Sighting[] = [];
    for (const { Id = "", Name, Config } of HostedZones) {
      if (Name !== name || !Config?.PrivateZone) continue;
      const id = Id.replace("/hostedzone/", "");
      const { ResourceTagSet } = await route53.listTagsForResource({ ResourceType: "hostedzone", ResourceId: id });
      found.push({ id, parents: [id], tags: Object.fromEntries((ResourceTagSet?.Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value])) });
    }
    return found;
  },
  look: async (survey, ids) => {
    const route53 = await namesOf(survey);
    return each(ids, async (id) => ({ detail: (await route53.getHostedZone({ Id: id })).HostedZone?.Name }));
  },
  remove: async (survey, id) => {
    const route53 = await namesOf(survey);
    const { ResourceRecordSets = [] } = await route53.listResourceRecordSets({ HostedZoneId: id });
    const own = ResourceRecordSets.filter(({ Type }) => Type !== "NS" && Type !== "SOA");
    if (own.length > 0)
      await route53.changeResourceRecordSets({
        HostedZoneId: id,
        ChangeBatch: { Changes: own.map((ResourceRecordSet) => ({ Action: "DELETE" as const, ResourceRecordSet })) },
      });
    await route53.deleteHostedZone({ Id: id });
  },
};

const idOf = ({ Name, Type }: ResourceRecordSet) => `${Type} ${Name?.replace(/\.$/, "")}`;

/** Of one of the environment's names: the name itself and those below it. Records are listed by their names read from the end. */
async function listRecords(survey: Survey, zone: string, name: string): Promise<ResourceRecordSet[]> {
  const route53 = await namesOf(survey);
  const within = ({ Name = "" }: ResourceRecordSet) => Name === `${name}.` || Name.endsWith(`.${name}.`);
  const found: ResourceRecordSet[] = [];
  let from: { StartRecordName?: string; StartRecordType?: ResourceRecordSet["Type"] } | undefined = { StartRecordName: name };
  while (from) {
    const page: ListResourceRecordSetsCommandOutput = await route53.listResourceRecordSets({ HostedZoneId: zone, ...from, MaxItems: 100 });
    const own = (page.ResourceRecordSets ?? []).filter(within);
    found.push(...own);
    from = page.IsTruncated && own.length > 0 ? { StartRecordName: page.NextRecordName, StartRecordType: page.NextRecordType } : undefined;
  }
  return found;
}

/** What the environment's own records in the user's zone are. Only where Landfall makes some: with the key `zone`. */
async function findRecords(survey: Survey): Promise<{ record: ResourceRecordSet; parents: string[] }[]> {
  const { domain } = survey.context.app.environment;
  if (!domain?.zone) return [];
  const { zone, name, aliases, certificate } = domain;
  const known = [...survey.known.values()].filter(({ standing }) => !standing);
  const balancers = known.filter(({ type }) => type === BALANCER.type);
  const made = certificate ? undefined : known.find(({ type }) => type === CERTIFICATE.type);
  const found: { record: ResourceRecordSet; parents: string[] }[] = [];
  for (const host of new Set([name, ...aliases])) {
    for (const record of await listRecords(survey, zone, host).catch(noneIfGone)) {
      const target = record.AliasTarget?.DNSName?.replace(/^dualstack\./, "");
      const balancer = target && record.Name === `${host}.` && balancers.find(({ id }) => target.startsWith(`${id.split("/")[2]}-`));
      if (balancer) found.push({ record, parents: [balancer.id] });
      const proves = record.Type === "CNAME" && record.Name?.split(".").slice(1).join(".") === `${host}.` && PROOF.test(firstValue(record));
      if (proves && made && !(await isCertified(survey, host))) found.push({ record, parents: [made.id] });
    }
  }
  return found;
}

const PROOF = /\.acm-validations\.aws\.?$/;
const firstValue = ({ ResourceRecords }: ResourceRecordSet) => ResourceRecords?.[0]?.Value ?? "";

const noneIfGone = (error: unknown): [] => {
  if (isGone(error)) return [];
  throw error;
};

/** One record proves a name for all certificates of the account: those of this region, and those of CloudFront, which are all in one. */
async function isCertified({ context }: Survey, host: string): Promise<boolean> {
  for (const acm of [await context.clients.acm(), await context.clients.acmOfCloudFront()]) {
    const certificates = await pages(async (NextToken) => {
      const page = await acm.listCertificates({ NextToken });
      return { list: page.CertificateSummaryList, next: page.NextToken };
    });
    const names = certificates.flatMap(({ DomainName, SubjectAlternativeNameSummaries = [] }) => [DomainName, ...SubjectAlternativeNameSummaries]);
    if (names.some((one) => one === host || one === `*.${host}`)) return true;
  }
  return false;
}

/** CloudFormation removes the names' own records, but not those that prove them to the maker of certificates. */
const RECORD: Kind = {
  name: "DNS record",
  find: async (survey) => (await findRecords(survey)).map(({ record, parents }) => ({ id: idOf(record), parents })),
  look: async (survey, ids) => {
    const found = (await findRecords(survey)).map(({ record }) => idOf(record));
    return new Map(ids.filter((id) => found.includes(id)).map((id) => [id, { detail: `in zone ${survey.context.app.environment.domain?.zone}` }]));
  },
  remove: async (survey, id) => {
    const found = (await findRecords(survey)).find(({ record }) => idOf(record) === id);
    if (!found) return;
    await (await namesOf(survey)).changeResourceRecordSets({
      HostedZoneId: survey.context.app.environment.domain?.zone,
      ChangeBatch: { Changes: [{ Action: "DELETE", ResourceRecordSet: found.record }] },
    });
  },
};

/** A name goes before what it leads to, and a certificate after the balancer that shows it. */
export const EDGE: readonly Kind[] = [BALANCER, TARGET_GROUP, CERTIFICATE, FIREWALL, RECORD, ZONE];
