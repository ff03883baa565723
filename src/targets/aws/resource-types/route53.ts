// Route 53: the private hosted zone of the resources' names, and records in the user's own.
import type { ListResourceRecordSetsCommandOutput, ResourceRecordSet } from "@aws-sdk/client-route-53";
import { rowsOf } from "../account/pages.ts";
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each, isGone } from "./entry/lookup.ts";
import { monthly } from "./entry/price.ts";
import type { Candidate, Discovery, Inventory, Service } from "./entry/resource-type.ts";
import { everywhere, LISTS, NOT_YET } from "./entry/scope.ts";

const namesOf = ({ context }: Discovery) => context.clients.route53();

const idOf = ({ Name, Type }: ResourceRecordSet) => `${Type} ${Name?.replace(/\.$/, "")}`;

/** Of one of the environment's names: the name itself and those below it. Records are listed by their names read from the end. */
async function listRecords(discovery: Discovery, zone: string, name: string): Promise<ResourceRecordSet[]> {
  const route53 = await namesOf(discovery);
  const within = ({ Name = "" }: ResourceRecordSet) => Name === `${name}.` || Name.endsWith(`.${name}.`);
  const records: ResourceRecordSet[] = [];
  let from: { StartRecordName?: string; StartRecordType?: ResourceRecordSet["Type"] } | undefined = { StartRecordName: name };
  while (from) {
    const page: ListResourceRecordSetsCommandOutput = await route53.listResourceRecordSets({ HostedZoneId: zone, ...from, MaxItems: 100 });
    const matching = (page.ResourceRecordSets ?? []).filter(within);
    records.push(...matching);
    from = page.IsTruncated && matching.length > 0 ? { StartRecordName: page.NextRecordName, StartRecordType: page.NextRecordType } : undefined;
  }
  return records;
}

/** What the environment's own records in the user's zone are. Only where Landfall makes some: with the key `zone`. */
async function findRecords(discovery: Discovery): Promise<{ record: ResourceRecordSet; parents: string[] }[]> {
  const { domain } = discovery.context.deployment.settings;
  if (!domain?.zone) return [];
  const { zone, name, aliases, certificate } = domain;
  const resources = [...discovery.stackResources.values()].filter(({ standing }) => !standing);
  const balancers = resources.filter(({ type }) => type === "AWS::ElasticLoadBalancingV2::LoadBalancer");
  const certificateResource = certificate ? undefined : resources.find(({ type }) => type === "AWS::CertificateManager::Certificate");
  const matches: { record: ResourceRecordSet; parents: string[] }[] = [];
  for (const host of new Set([name, ...aliases])) {
    for (const record of await listRecords(discovery, zone, host).catch(noneIfGone)) {
      const target = record.AliasTarget?.DNSName?.replace(/^dualstack\./, "");
      const balancer = target && record.Name === `${host}.` && balancers.find(({ id }) => target.startsWith(`${id.split("/")[2]}-`));
      if (balancer) matches.push({ record, parents: [balancer.id] });
      const proves = record.Type === "CNAME" && record.Name?.split(".").slice(1).join(".") === `${host}.` && PROOF.test(firstValue(record));
      if (proves && certificateResource && !(await isCertified(discovery, host))) matches.push({ record, parents: [certificateResource.id] });
    }
  }
  return matches;
}

const PROOF = /\.acm-validations\.aws\.?$/;
const firstValue = ({ ResourceRecords }: ResourceRecordSet) => ResourceRecords?.[0]?.Value ?? "";

const noneIfGone = (error: unknown): [] => {
  if (isGone(error)) return [];
  throw error;
};

/** One record proves a name for all certificates of the account: those of this region, and those of CloudFront, which are all in one. */
async function isCertified({ context }: Discovery, host: string): Promise<boolean> {
  for (const acm of [await context.clients.acm(), await context.clients.acmOfCloudFront()]) {
    const certificates = await rowsOf(acm.paginateListCertificates({}), (page) => page.CertificateSummaryList);
    const names = certificates.flatMap(({ DomainName, SubjectAlternativeNameSummaries = [] }) => [DomainName, ...SubjectAlternativeNameSummaries]);
    if (names.some((name) => name === host || name === `*.${host}`)) return true;
  }
  return false;
}

/** CloudFormation removes the names' own records, but not those that prove them to the maker of certificates. */
const RECORD: Inventory = {
  removal: "edge",
  find: async (discovery) => (await findRecords(discovery)).map(({ record, parents }) => ({ id: idOf(record), parents })),
  look: async (discovery, ids) => {
    const recordIds = (await findRecords(discovery)).map(({ record }) => idOf(record));
    return new Map(
      ids.filter((id) => recordIds.includes(id)).map((id) => [id, { detail: `in zone ${discovery.context.deployment.settings.domain?.zone}` }]),
    );
  },
  remove: async (discovery, id) => {
    const match = (await findRecords(discovery)).find(({ record }) => idOf(record) === id);
    if (!match) return;
    await (await namesOf(discovery)).changeResourceRecordSets({
      HostedZoneId: discovery.context.deployment.settings.domain?.zone,
      ChangeBatch: { Changes: [{ Action: "DELETE", ResourceRecordSet: match.record }] },
    });
  },
};

const ZONE: Inventory = {
  removal: "edge",
  arn: /:route53:::hostedzone\/(.+)$/,
  find: async (discovery) => {
    const route53 = await namesOf(discovery);
    const name = `${discovery.environment}.${discovery.app}.internal.`;
    const { HostedZones = [] } = await route53.listHostedZonesByName({ DNSName: name, MaxItems: 10 });
    const candidates: Candidate[] = [];
    for (const { Id = "", Name, Config } of HostedZones) {
      if (Name !== name || !Config?.PrivateZone) continue;
      const id = Id.replace("/hostedzone/", "");
      const { ResourceTagSet } = await route53.listTagsForResource({ ResourceType: "hostedzone", ResourceId: id });
      candidates.push({ id, parents: [id], tags: Object.fromEntries((ResourceTagSet?.Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value])) });
    }
    return candidates;
  },
  look: async (discovery, ids) => {
    const route53 = await namesOf(discovery);
    return each(ids, async (id) => ({ detail: (await route53.getHostedZone({ Id: id })).HostedZone?.Name }));
  },
  remove: async (discovery, id) => {
    const route53 = await namesOf(discovery);
    const { ResourceRecordSets = [] } = await route53.listResourceRecordSets({ HostedZoneId: id });
    const records = ResourceRecordSets.filter(({ Type }) => Type !== "NS" && Type !== "SOA");
    if (records.length > 0)
      await route53.changeResourceRecordSets({
        HostedZoneId: id,
        ChangeBatch: { Changes: records.map((ResourceRecordSet) => ({ Action: "DELETE" as const, ResourceRecordSet })) },
      });
    await route53.deleteHostedZone({ Id: id });
  },
};

export const ROUTE53: Service = {
  types: {
    "AWS::Route53::RecordSet": {
      label: "record",
      replacedBy: ["HostedZoneId", "Name"],
      permissions: permissions("route53", {
        create: "ChangeResourceRecordSets",
        read: "GetHostedZone GetChange ListResourceRecordSets ListHostedZones",
        update: "ChangeResourceRecordSets",
        remove: "ChangeResourceRecordSets",
      }),
      price: "free",
      inventory: RECORD,
    },
    "AWS::Route53::HostedZone": {
      label: "hosted zone",
      replacedBy: ["Name"],
      permissions: permissions("route53", {
        create: "CreateHostedZone ChangeTagsForResource AssociateVPCWithHostedZone ec2:DescribeVpcs",
        read: "GetHostedZone GetChange ListTagsForResource ListQueryLoggingConfigs",
        update: "ChangeTagsForResource AssociateVPCWithHostedZone DisassociateVPCFromHostedZone",
        remove: "DeleteHostedZone",
      }),
      price: () => ({ charges: [monthly("zone:month", "hosted zone")] }),
      inventory: ZONE,
    },
  },
  scopes: {
    route53: {
      all: ({ partition }) => ({
        resources: ["hostedzone/*", "change/*"].map((kind) => `arn:${partition}:route53:::${kind}`),
        reason: "The private zone gets its id when it is made, and zones take no conditions by tag.",
      }),
      narrowReads: true,
      calls: {
        ChangeResourceRecordSets: ({ partition, names }) => ({
          resources: [`arn:${partition}:route53:::hostedzone/*`],
          condition: { "ForAllValues:StringLike": { "route53:ChangeResourceRecordSetsNormalizedRecordNames": names } },
        }),
        CreateHostedZone: everywhere(NOT_YET),
        ListHostedZones: everywhere(LISTS),
        ListHostedZonesByName: everywhere(LISTS),
        ListQueryLoggingConfigs: everywhere(LISTS),
      },
    },
  },
};
