// The environment's resources, but for those that are given by URL, and names for them in a private zone.
import { awsTypeOf, ownResources } from "../../resources/index.ts";
import { addClientsGroup } from "../network/security-groups.ts";
import { cdk } from "../shared/cdk.ts";
import type { DataPlace } from "../shared/data-place.ts";
import { logicalName } from "../shared/names.ts";
import { type Site, StackBuilder } from "../shared/stack-builder.ts";

/** Whether some of them are asked over the network, by instances that have to be let in. */
export const hasClients = (site: Site): boolean => ownResources(site).some(([, resource]) => awsTypeOf(resource).addressAt);

export function addData(site: Site, network: StackBuilder<"network">, alarms: StackBuilder<"alarms">): StackBuilder<"data"> | undefined {
  const resources = ownResources(site);
  if (resources.length === 0) return undefined;
  const builder = new StackBuilder(site, { role: "data" });
  let clients: string | undefined;
  const place: DataPlace = { builder, site, network, alarms, clients: () => (clients ??= addClientsGroup(place)) };
  const addresses = resources.flatMap(([name, resource]): [string, string][] => {
    const address = awsTypeOf(resource).add(place, name, resource);
    return address === undefined ? [] : [[name, address]];
  });
  if (addresses.length > 0) addNames(place, addresses);
  return builder;
}

/** `database.production.shop.internal`: for people and tools. Apps are given the real address, which is the one that certificates name. */
function addNames({ builder, site, network }: DataPlace, addresses: [name: string, address: string][]): void {
  const { stack } = builder;
  const domain = `${site.environment}.${site.app}.internal`;
  const zone = new cdk.aws_route53.CfnHostedZone(stack, "PrivateZone", {
    name: domain,
    vpcs: [{ vpcId: builder.parameter(network, "Vpc"), vpcRegion: cdk.Aws.REGION }],
  });
  for (const [name, address] of addresses)
    new cdk.aws_route53.CfnRecordSet(stack, `${logicalName(name)}Record`, {
      hostedZoneId: zone.ref,
      name: `${name}.${domain}`,
      type: "CNAME",
      ttl: "60",
      resourceRecords: [address],
    });
}
