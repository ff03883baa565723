// WAF.
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import { monthly } from "./entry/price.ts";
import type { Inventory, Service } from "./entry/resource-type.ts";
import { arn } from "./entry/scope.ts";

/** `regional/webacl/NAME/ID` */
const aclOf = (id: string) => ({ Scope: "REGIONAL" as const, Name: id.split("/")[0], Id: id.split("/")[1] });

const WEB_ACL: Inventory = {
  removal: "edge",
  // CloudFormation calls it `NAME|ID|REGIONAL`.
  idOf: (physicalId) => physicalId.split("|").slice(0, 2).join("/"),
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

export const WAF: Service = {
  types: {
    "AWS::WAFv2::WebACL": {
      label: "web ACL",
      replacedBy: ["Scope"],
      permissions: permissions("wafv2", {
        create: "CreateWebACL TagResource",
        read: "GetWebACL ListTagsForResource",
        update: "UpdateWebACL TagResource UntagResource",
        remove: "DeleteWebACL",
      }),
      price: ({ properties: { Rules } }) => ({
        charges: [
          monthly("firewall:month", "web ACL"),
          monthly("firewall:rule", "web ACL rules", { count: Array.isArray(Rules) ? Rules.length : 0 }),
        ],
        uses: [{ key: "firewall:million", what: "requests through the web ACL", unit: "million" }],
      }),
      inventory: WEB_ACL,
    },
    "AWS::WAFv2::WebACLAssociation": {
      label: "web ACL association",
      replacedBy: ["ResourceArn", "WebACLArn"],
      slow: "a web ACL's rules take a few minutes to reach the load balancer",
      permissions: permissions("wafv2", {
        create: "AssociateWebACL elasticloadbalancing:SetWebACL elasticloadbalancing:CreateWebACLAssociation",
        read: "GetWebACL GetWebACLForResource elasticloadbalancing:GetLoadBalancerWebACL",
        remove: "DisassociateWebACL elasticloadbalancing:SetWebACL elasticloadbalancing:DeleteWebACLAssociation",
      }),
      price: "free",
      inventory: { partOf: "AWS::WAFv2::WebACL" },
    },
  },
  scopes: {
    wafv2: {
      all: (site) => ({
        resources: [
          arn(site, "wafv2", "regional/webacl/*"),
          arn(site, "wafv2", "regional/managedruleset/*"),
          arn(site, "elasticloadbalancing", "loadbalancer/app/*"),
        ],
        reason: "CloudFormation gives firewalls and balancers names that do not tell whose they are.",
      }),
    },
  },
};
