// Security groups: they name each other, and say nothing of addresses but where the world begins.
import { cdk } from "../shared/cdk.ts";
import type { DataPlace } from "../shared/data-place.ts";
import { logicalName } from "../shared/names.ts";

/** No way out: an answer to who asked needs none. CloudFormation would allow all if nothing were said. */
const NOWHERE = [{ ipProtocol: "-1", cidrIp: "127.0.0.1/32", description: "Nowhere" }];

/**
 * The group that instances of every service are in besides their own. Databases and caches let it in: one rule each, however many
 * services there are, where a group has room for 60.
 */
export function addClientsGroup({ builder, network }: DataPlace): string {
  const group = new cdk.aws_ec2.CfnSecurityGroup(builder.stack, "Clients", {
    groupDescription: "Instances of services: whoever is in it may ask databases and caches",
    vpcId: builder.parameter(network, "Vpc"),
    securityGroupEgress: NOWHERE,
  });
  builder.output(group.attrGroupId, "ClientsSecurityGroup");
  return group.attrGroupId;
}

/** Returns the id of the group of one database or cache. */
export function addDataGroup({ builder, network, clients }: DataPlace, name: string, port: number): string {
  return new cdk.aws_ec2.CfnSecurityGroup(builder.stack, `${logicalName(name)}SecurityGroup`, {
    groupDescription: `${name}: only services of this environment`,
    vpcId: builder.parameter(network, "Vpc"),
    securityGroupIngress: [{ ipProtocol: "tcp", fromPort: port, toPort: port, sourceSecurityGroupId: clients(), description: "Services" }],
    securityGroupEgress: NOWHERE,
  }).attrGroupId;
}
