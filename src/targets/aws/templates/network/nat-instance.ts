// The cheap way out: one small machine that rewrites addresses for all private subnets. When anything of it changes, CloudFormation starts another one,
// waits for its word, leads the routes to it, gives it the address, and ends the old one.
import type { aws_ec2 as ec2 } from "aws-cdk-lib";
import { acknowledge, cdk } from "../shared/cdk.ts";
import { templateTags } from "../shared/stack-builder.ts";
import { natScript } from "./nat-script.ts";
import { wholeRange } from "./subnets.ts";
import { type NetworkPlace, nameTag, type PublicTier, subnetIn } from "./tiers.ts";

/** The smallest that accounts on AWS's Free plan have. */
const TYPE = "t4g.micro";
/** Debian publishes the id of its newest image for each architecture in every account. */
const IMAGE = "resolve:ssm:/aws/service/debian/release/13/latest/arm64";
const NAME = "NatInstance";
/** It starts, fetches a package, and says so. */
const READY_WITHIN = "PT15M";

/** Routes lead to the machine, and not to an interface of its own: an interface is at one machine at a time, so that no other could take its place. */
export function addNatInstance({ builder, site, vpc }: NetworkPlace, open: PublicTier): ec2.CfnInstance {
  const { stack } = builder;
  const range = wholeRange(site.settings.network.cidr);
  const tags = [nameTag(site, "nat")];
  const group = new cdk.aws_ec2.CfnSecurityGroup(stack, "NatSecurityGroup", {
    groupDescription: "The way out of the private subnets",
    vpcId: vpc.ref,
    securityGroupIngress: [{ ipProtocol: "-1", cidrIp: range, description: "Only from this network" }],
    securityGroupEgress: [{ ipProtocol: "-1", cidrIp: "0.0.0.0/0", description: "To anywhere" }],
  });
  const ownTags = Object.entries(builder.tags()).map(([key, value]) => ({ key, value }));
  const template = new cdk.aws_ec2.CfnLaunchTemplate(stack, "NatTemplate", {
    tagSpecifications: templateTags(builder),
    launchTemplateData: {
      imageId: IMAGE,
      instanceType: TYPE,
      metadataOptions: { httpTokens: "required", httpEndpoint: "enabled", httpPutResponseHopLimit: 1 },
      // Without a size it is as large as Debian's image, whatever that grows to.
      blockDeviceMappings: [{ deviceName: "/dev/xvda", ebs: { encrypted: true, volumeType: "gp3", deleteOnTermination: true } }],
      networkInterfaces: [
        {
          deviceIndex: 0,
          subnetId: subnetIn(open.subnets, "A").ref,
          groups: [group.attrGroupId],
          // Until it gets the address that stays: at its first start it fetches packages.
          associatePublicIpAddress: true,
          deleteOnTermination: true,
        },
      ],
      maintenanceOptions: { autoRecovery: "default" },
      userData: cdk.Fn.base64(natScript({ range, region: cdk.Aws.REGION, suffix: cdk.Aws.URL_SUFFIX, stack: cdk.Aws.STACK_NAME, resource: NAME })),
      tagSpecifications: ["volume", "network-interface"].map((resourceType) => ({ resourceType, tags: ownTags })),
    },
  });
  const instance = new cdk.aws_ec2.CfnInstance(stack, NAME, {
    launchTemplate: { launchTemplateId: template.ref, version: template.attrLatestVersionNumber },
    sourceDestCheck: false,
    tags,
  });
  instance.cfnOptions.creationPolicy = { resourceSignal: { count: 1, timeout: READY_WITHIN } };
  instance.addResourceDependency(open.route);
  acknowledge(instance, {
    EC28: "A router without an app; its loss shows at once, and finer metrics would cost as much as the machine.",
    EC29: "It keeps nothing, AWS recovers it by itself, and its address outlives it.",
  });
  return instance;
}

/** The address that others know the environment by. It moves once the routes have: until then the machine before has a way out for whoever uses it. */
export function addNatAddress(
  { builder, site }: NetworkPlace,
  open: PublicTier,
  { instance, routes }: { instance: ec2.CfnInstance; routes: ec2.CfnRoute[] },
): void {
  const { stack } = builder;
  const address = new cdk.aws_ec2.CfnEIP(stack, "NatAddress", { domain: "vpc", tags: [nameTag(site, "nat")] });
  address.addResourceDependency(open.attachment);
  const association = new cdk.aws_ec2.CfnEIPAssociation(stack, "NatAddressAssociation", {
    allocationId: address.attrAllocationId,
    instanceId: instance.ref,
  });
  for (const route of routes) association.addResourceDependency(route);
}
