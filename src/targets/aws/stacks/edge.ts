// Where requests come in: the balancer, its certificate and its names. Which service gets which request is in routes.ts.
import type { aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import { webServices } from "../routes.ts";
import { Blueprint, type Site } from "./blueprint.ts";
import { acknowledge, cdk } from "./cdk.ts";
import { drawFirewall } from "./firewall.ts";
import { NOWHERE } from "./groups.ts";
import { count, drawAlarm, drawShareAlarm, percent } from "./metrics.ts";

/** TLS 1.2 and 1.3, forward secrecy only. */
const TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06";

export function drawEdge(site: Site, network: Blueprint, alarms: Blueprint): Blueprint | undefined {
  if (webServices(site.app).length === 0) return undefined;
  const blueprint = new Blueprint(site, { role: "edge" });
  const { stack } = blueprint;
  const { domain } = site.environment;
  const group = new cdk.aws_ec2.CfnSecurityGroup(stack, "BalancerSecurityGroup", {
    groupDescription: "The balancer: HTTP and HTTPS from anywhere, out to its services only",
    vpcId: blueprint.takeText(network, "Vpc"),
    securityGroupIngress: (domain ? [80, 443] : [80]).map((port) => ({
      ipProtocol: "tcp",
      fromPort: port,
      toPort: port,
      cidrIp: "0.0.0.0/0",
      description: port === 80 ? "HTTP" : "HTTPS",
    })),
    securityGroupEgress: NOWHERE,
  });
  acknowledge(group, { EC23: "It is the public entrance, on the ports 80 and 443 only." });
  const balancer = new cdk.aws_elasticloadbalancingv2.CfnLoadBalancer(stack, "Balancer", {
    type: "application",
    scheme: "internet-facing",
    ipAddressType: "ipv4",
    subnets: blueprint.takeList(network, "PublicSubnets"),
    securityGroups: [group.attrGroupId],
    loadBalancerAttributes: attributes({
      "access_logs.s3.enabled": "true",
      "access_logs.s3.bucket": blueprint.takeText(network, "LogsBucket"),
      "access_logs.s3.prefix": "balancer",
      "routing.http.drop_invalid_header_fields.enabled": "true",
      "routing.http.desync_mitigation_mode": "defensive",
      "idle_timeout.timeout_seconds": "60",
    }),
  });
  const listener = domain ? drawHttps(blueprint, site, balancer) : drawListener(blueprint, "Http", balancer, { protocol: "HTTP", port: 80 });
  if (site.environment.firewall) drawFirewall(blueprint, site, balancer.ref);
  drawBalancerAlarms(blueprint, site, balancer, blueprint.takeText(alarms, "Topic"));
  blueprint.give("Listener", listener);
  blueprint.give("BalancerName", balancer.attrLoadBalancerFullName);
  blueprint.give("BalancerSecurityGroup", group.attrGroupId);
  blueprint.give("Address", domain ? `https://${domain.name}` : `http://${balancer.attrDnsName}`);
  return blueprint;
}

const attributes = (all: Record<string, string>) => Object.entries(all).map(([key, value]) => ({ key, value }));

function drawListener({ stack }: Blueprint, id: string, balancer: elb.CfnLoadBalancer, settings: Partial<elb.CfnListenerProps>): string {
  return new cdk.aws_elasticloadbalancingv2.CfnListener(stack, id, {
    loadBalancerArn: balancer.ref,
    // Until a service takes requests there is nobody to ask, which is "not yet" and not "not found".
    defaultActions: [
      { type: "fixed-response", fixedResponseConfig: { statusCode: "503", contentType: "text/plain", messageBody: "no service yet\n" } },
    ],
    ...settings,
  }).ref;
}

function drawHttps(blueprint: Blueprint, site: Site, balancer: elb.CfnLoadBalancer): string {
  const { stack } = blueprint;
  const { name, aliases, zone, certificate } = site.environment.domain as NonNullable<Site["environment"]["domain"]>;
  const names = [name, ...aliases.filter((alias) => alias !== name)];
  drawListener(blueprint, "Http", balancer, {
    protocol: "HTTP",
    port: 80,
    defaultActions: [{ type: "redirect", redirectConfig: { protocol: "HTTPS", port: "443", statusCode: "HTTP_301" } }],
  });
  if (zone)
    for (const [index, one] of names.entries())
      new cdk.aws_route53.CfnRecordSet(stack, `Name${index + 1}`, {
        hostedZoneId: zone,
        name: one,
        type: "A",
        aliasTarget: { dnsName: balancer.attrDnsName, hostedZoneId: balancer.attrCanonicalHostedZoneId, evaluateTargetHealth: false },
      });
  const made =
    certificate ??
    new cdk.aws_certificatemanager.CfnCertificate(stack, "Certificate", {
      domainName: name,
      subjectAlternativeNames: names.length > 1 ? names.slice(1) : undefined,
      validationMethod: "DNS",
      domainValidationOptions: names.map((domainName) => ({ domainName, hostedZoneId: zone as string })),
    }).ref;
  return drawListener(blueprint, "Https", balancer, {
    protocol: "HTTPS",
    port: 443,
    sslPolicy: TLS_POLICY,
    certificates: [{ certificateArn: made }],
  });
}

function drawBalancerAlarms({ stack }: Blueprint, site: Site, balancer: elb.CfnLoadBalancer, topic: string): void {
  const { serverErrors, clientErrors } = site.environment.alarms;
  const watch = { topic, dimensions: { LoadBalancer: balancer.attrLoadBalancerFullName }, minutes: 5 };
  const label = `${site.app.name}, ${site.name}`;
  drawShareAlarm(stack, "ServerErrorsAlarm", {
    ...watch,
    about: `${label}: more than ${serverErrors} % of the answers were errors of a service, for 5 minutes`,
    errors: "serverErrors",
    above: percent(serverErrors),
  });
  drawShareAlarm(stack, "ClientErrorsAlarm", {
    ...watch,
    about: `${label}: more than ${clientErrors} % of the requests were refused with a status from 400 to 499, for 5 minutes`,
    errors: "clientErrors",
    above: percent(clientErrors),
  });
  drawAlarm(stack, "BalancerErrorsAlarm", {
    ...watch,
    about: `${label}: the balancer itself answered with errors, for 5 minutes: no instance was there to ask, or it broke off`,
    metric: "ownErrors",
    above: count(10),
  });
}
