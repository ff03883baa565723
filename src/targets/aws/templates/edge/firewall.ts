// The optional web application firewall: AWS's own lists of what is known to be harmful, and a limit per address.

import { cdk } from "../shared/cdk.ts";
import type { Site, StackBuilder } from "../shared/stack-builder.ts";

const MANAGED = ["AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"];
/** Its limit of 8 KB would refuse every upload. */
const COUNTED_ONLY: Record<string, { name: string; actionToUse: object }[]> = {
  AWSManagedRulesCommonRuleSet: [{ name: "SizeRestrictions_BODY", actionToUse: { count: {} } }],
};
const REQUESTS_PER_5_MINUTES_MAX = 10_000;

export function addFirewall({ stack }: StackBuilder, { app, environment }: Site, balancer: string): void {
  const seen = (metricName: string) => ({ cloudWatchMetricsEnabled: true, sampledRequestsEnabled: true, metricName });
  const managed = MANAGED.map((list, index) => ({
    name: list,
    priority: index + 1,
    statement: { managedRuleGroupStatement: { vendorName: "AWS", name: list, ruleActionOverrides: COUNTED_ONLY[list] } },
    overrideAction: { none: {} },
    visibilityConfig: seen(list),
  }));
  const limit = {
    name: "RequestsOfOneAddress",
    priority: 0,
    statement: { rateBasedStatement: { limit: REQUESTS_PER_5_MINUTES_MAX, aggregateKeyType: "IP" } },
    action: { block: {} },
    visibilityConfig: seen("RequestsOfOneAddress"),
  };
  const firewall = new cdk.aws_wafv2.CfnWebACL(stack, "Firewall", {
    scope: "REGIONAL",
    description: `${app} ${environment}`,
    defaultAction: { allow: {} },
    visibilityConfig: seen(`${app}-${environment}`),
    rules: [limit, ...managed],
  });
  new cdk.aws_wafv2.CfnWebACLAssociation(stack, "FirewallAssociation", { resourceArn: balancer, webAclArn: firewall.attrArn });
}
