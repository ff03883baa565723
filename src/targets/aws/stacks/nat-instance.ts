// The cheap way out: one small machine that rewrites addresses for all private subnets. Its network interface and its public
// address are of their own, so that a new machine takes them over and no route changes.
import type { aws_ec2 as ec2 } from "aws-cdk-lib";
import type { Blueprint, Site } from "./blueprint.ts";
import { acknowledge, cdk } from "./cdk.ts";
import { wholeRange } from "./subnets.ts";

const TYPE = "t4g.nano";
/** Debian publishes the id of its newest image for each architecture in every account. */
const IMAGE = "resolve:ssm:/aws/service/debian/release/13/latest/arm64";

/** Returns the id of the interface that routes lead to. */
export function drawNatInstance({ stack }: Blueprint, site: Site, vpc: string, subnet: string): string {
  const range = wholeRange(site.environment.network.cidr);
  const tags = [{ key: "Name", value: `${site.app.name}-${site.name}-nat` }];
  const group = new cdk.aws_ec2.CfnSecurityGroup(stack, "NatSecurityGroup", {
    groupDescription: "The way out of the private subnets",
    vpcId: vpc,
    securityGroupIngress: [{ ipProtocol: "-1", cidrIp: range, description: "Only from this network" }],
    securityGroupEgress: [{ ipProtocol: "-1", cidrIp: "0.0.0.0/0", description: "To anywhere" }],
  });
  const door = new cdk.aws_ec2.CfnNetworkInterface(stack, "NatInterface", {
    subnetId: subnet,
    groupSet: [group.attrGroupId],
    sourceDestCheck: false,
    description: "Where routes of private subnets lead",
    tags,
  });
  const address = new cdk.aws_ec2.CfnEIP(stack, "NatAddress", { domain: "vpc", tags });
  address.addResourceDependency(stack.node.findChild("InternetGatewayAttachment") as ec2.CfnVPCGatewayAttachment);
  const association = new cdk.aws_ec2.CfnEIPAssociation(stack, "NatAddressAssociation", {
    allocationId: address.attrAllocationId,
    networkInterfaceId: door.ref,
  });
  const template = new cdk.aws_ec2.CfnLaunchTemplate(stack, "NatTemplate", {
    launchTemplateData: {
      imageId: IMAGE,
      instanceType: TYPE,
      metadataOptions: { httpTokens: "required", httpEndpoint: "enabled", httpPutResponseHopLimit: 1 },
      blockDeviceMappings: [{ deviceName: "/dev/xvda", ebs: { encrypted: true, volumeType: "gp3", volumeSize: 8, deleteOnTermination: true } }],
      networkInterfaces: [{ deviceIndex: 0, networkInterfaceId: door.ref }],
      maintenanceOptions: { autoRecovery: "default" },
      userData: cdk.Fn.base64(natScript(range)),
    },
  });
  const instance = new cdk.aws_ec2.CfnInstance(stack, "NatInstance", {
    launchTemplate: { launchTemplateId: template.ref, version: template.attrLatestVersionNumber },
    tags,
  });
  // At its first start it fetches packages, so its own way out must be there.
  instance.addResourceDependency(association);
  instance.addResourceDependency(stack.node.findChild("PublicRoute") as ec2.CfnRoute);
  acknowledge(instance, {
    EC28: "A router without an app; its loss shows at once, and finer metrics would cost as much as the machine.",
    EC29: "It keeps nothing, AWS recovers it by itself, and its interface and address outlive it.",
  });
  return door.ref;
}

/** Run at every start, because rules do not outlive one. */
const natScript = (range: string) => `#cloud-boothook
#!/bin/sh
set -eu
command -v nft >/dev/null || { apt-get update && apt-get install -y nftables; }
sysctl -qw net.ipv4.ip_forward=1
nft -f - <<'RULES'
table ip nat
flush table ip nat
table ip nat {
  chain out {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${range} ip daddr != ${range} masquerade
  }
}
RULES
`;
