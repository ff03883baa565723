// Elastic Load Balancing.
import { taggedPermissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import { ALL_MONTH, hourly, once } from "./entry/price.ts";
import type { Discovery, Inventory, Service } from "./entry/resource-type.ts";
import { anywhere, NOT_YET, tagged } from "./entry/scope.ts";

const balancingOf = ({ context }: Discovery) => context.clients.balancing();

const LOAD_BALANCER: Inventory = {
  removal: "edge",
  arn: /^(arn:[^:]*:elasticloadbalancing:.*:loadbalancer\/.+)$/,
  look: async (discovery, ids) => {
    const balancing = await balancingOf(discovery);
    return each(ids, async (id) => {
      const balancer = (await balancing.describeLoadBalancers({ LoadBalancerArns: [id] })).LoadBalancers?.[0];
      return balancer && { detail: balancer.LoadBalancerName };
    });
  },
  remove: async (discovery, id) => (await balancingOf(discovery)).deleteLoadBalancer({ LoadBalancerArn: id }),
};

const TARGET_GROUP: Inventory = {
  removal: "edge",
  arn: /^(arn:[^:]*:elasticloadbalancing:.*:targetgroup\/.+)$/,
  look: async (discovery, ids) => {
    const balancing = await balancingOf(discovery);
    return each(ids, async (id) => {
      const group = (await balancing.describeTargetGroups({ TargetGroupArns: [id] })).TargetGroups?.[0];
      return group && { detail: group.TargetGroupName };
    });
  },
  remove: async (discovery, id) => (await balancingOf(discovery)).deleteTargetGroup({ TargetGroupArn: id }),
};

const elbPermissions = taggedPermissions("elasticloadbalancing", { tag: "AddTags", untag: "RemoveTags", read: "DescribeTags" });

export const ELB: Service = {
  types: {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
      label: "load balancer",
      replacedBy: ["Type", "Scheme"],
      slow: "a load balancer takes 2 to 4 minutes",
      permissions: elbPermissions({
        create: "CreateLoadBalancer ModifyLoadBalancerAttributes iam:CreateServiceLinkedRole",
        read: "DescribeLoadBalancers DescribeLoadBalancerAttributes DescribeCapacityReservation",
        update: "ModifyLoadBalancerAttributes SetSubnets SetSecurityGroups SetIpAddressType",
        remove: "DeleteLoadBalancer",
      }),
      price: ({ zones }) => ({
        charges: [
          hourly("balancer:hour", "load balancer"),
          hourly("balancer:unit", "load balancer capacity units", { assumption: "one all month: 25 new connections a second, or 1 GB an hour" }),
          hourly("address:hour", "public IPv4 addresses", { count: once(zones), assumption: `${ALL_MONTH}, one in each zone` }),
        ],
        uses: [{ key: "out:GB", what: "data out to the internet", unit: "GB" }],
      }),
      inventory: LOAD_BALANCER,
    },
    "AWS::ElasticLoadBalancingV2::Listener": {
      label: "listener",
      replacedBy: ["LoadBalancerArn"],
      permissions: elbPermissions({
        create: "CreateListener",
        read: "DescribeListeners DescribeListenerAttributes",
        update: "ModifyListener",
        remove: "DeleteListener",
      }),
      price: "free",
      inventory: { partOf: "AWS::ElasticLoadBalancingV2::LoadBalancer" },
    },
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
      label: "listener rule",
      replacedBy: ["ListenerArn"],
      permissions: elbPermissions({
        create: "CreateRule",
        read: "DescribeRules",
        update: "ModifyRule SetRulePriorities",
        remove: "DeleteRule",
      }),
      price: "free",
      inventory: { partOf: "AWS::ElasticLoadBalancingV2::Listener" },
    },
    "AWS::ElasticLoadBalancingV2::TargetGroup": {
      label: "target group",
      replacedBy: ["TargetType", "Port", "VpcId", "Protocol"],
      permissions: elbPermissions({
        create: "CreateTargetGroup ModifyTargetGroupAttributes",
        read: "DescribeTargetGroups DescribeTargetGroupAttributes DescribeTargetHealth ec2:DescribeVpcs",
        update: "ModifyTargetGroup ModifyTargetGroupAttributes",
        remove: "DeleteTargetGroup",
      }),
      price: "free",
      inventory: TARGET_GROUP,
    },
  },
  scopes: {
    elasticloadbalancing: {
      all: (site, action) =>
        /^(Create|AddTags|SetWebACL|GetLoadBalancerWebACL)/.test(action)
          ? anywhere(NOT_YET)(site, action)
          : tagged("elasticloadbalancing", "*")(site, action),
    },
  },
};
