// The entrance for requests: the balancer, its certificate and its names. The routes are in routes.ts.
import type { aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import { webServices } from "../../../../routing/placement.ts";
import { rangeOf } from "../network/existing.ts";
import { acknowledge, cdk } from "../shared/cdk.ts";
import { addAlarm, addShareAlarm, count, percent } from "../shared/metrics.ts";
import { type Site, StackBuilder } from "../shared/stack-builder.ts";
import { addFirewall } from "./firewall.ts";

/** TLS 1.2 and 1.3, forward secrecy only. */
const TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06";

/** Where the parts of the edge are added: its stack, and the balancer in it. */
interface EdgePlace {
  builder: StackBuilder<"edge">;
  site: Site;
  balancer: elb.CfnLoadBalancer;
}

type Domain = NonNullable<Site["settings"]["domain"]>;

export function addEdge(site: Site, network: StackBuilder<"network">, alarms: StackBuilder<"alarms">): StackBuilder<"edge"> | undefined {
  if (webServices(site).length + webServices(site.configured).length === 0) return undefined;
  const builder = new StackBuilder(site, { role: "edge" });
  const { stack } = builder;
  const { domain } = site.settings;
  const group = new cdk.aws_ec2.CfnSecurityGroup(stack, "BalancerSecurityGroup", {
    groupDescription: "The balancer: HTTP and HTTPS from anywhere, out to its services",
    vpcId: builder.parameter(network, "Vpc"),
    securityGroupIngress: (domain ? [80, 443] : [80]).map((port) => ({
      ipProtocol: "tcp",
      fromPort: port,
      toPort: port,
      cidrIp: "0.0.0.0/0",
      description: port === 80 ? "HTTP" : "HTTPS",
    })),
    // Here, and not from the stacks of services: CloudFormation takes rules that other stacks add to a group for changes by hand.
    securityGroupEgress: [{ ipProtocol: "tcp", fromPort: 1, toPort: 65535, cidrIp: rangeOf(site.settings.network), description: "Services" }],
  });
  acknowledge(group, { EC23: "It is the public entrance, on the ports 80 and 443 only." });
  const balancer = new cdk.aws_elasticloadbalancingv2.CfnLoadBalancer(stack, "Balancer", {
    type: "application",
    scheme: "internet-facing",
    ipAddressType: "ipv4",
    subnets: builder.parameterList(network, "PublicSubnets"),
    securityGroups: [group.attrGroupId],
    loadBalancerAttributes: attributes({
      "access_logs.s3.enabled": "true",
      "access_logs.s3.bucket": builder.parameter(network, "LogsBucket"),
      "access_logs.s3.prefix": "balancer",
      "routing.http.drop_invalid_header_fields.enabled": "true",
      "routing.http.desync_mitigation_mode": "defensive",
      "idle_timeout.timeout_seconds": "60",
    }),
  });
  const place: EdgePlace = { builder, site, balancer };
  const listener = domain ? addHttps(place, domain) : addListener(place, "Http", { protocol: "HTTP", port: 80 });
  if (site.settings.firewall) addFirewall(builder, site, balancer.ref);
  addBalancerAlarms(place, builder.parameter(alarms, "Topic"));
  builder.output(listener, "Listener");
  builder.output(balancer.attrLoadBalancerFullName, "BalancerName");
  builder.output(group.attrGroupId, "BalancerSecurityGroup");
  builder.output(domain ? `https://${domain.name}` : `http://${balancer.attrDnsName}`, "Address");
  return builder;
}

const attributes = (values: Record<string, string>) => Object.entries(values).map(([key, value]) => ({ key, value }));

function addListener({ builder, balancer }: EdgePlace, id: string, settings: Partial<elb.CfnListenerProps>): string {
  return new cdk.aws_elasticloadbalancingv2.CfnListener(builder.stack, id, {
    loadBalancerArn: balancer.ref,
    // Until a service takes requests there is nobody to ask, which is "not yet" and not "not found".
    defaultActions: [
      { type: "fixed-response", fixedResponseConfig: { statusCode: "503", contentType: "text/plain", messageBody: "no service yet\n" } },
    ],
    ...settings,
  }).ref;
}

function addHttps(place: EdgePlace, { name, aliases, zone, certificate }: Domain): string {
  const { builder, balancer } = place;
  const { stack } = builder;
  const names = [name, ...aliases.filter((alias) => alias !== name)];
  addListener(place, "Http", {
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
  const certificateArn =
    certificate ??
    new cdk.aws_certificatemanager.CfnCertificate(stack, "Certificate", {
      domainName: name,
      subjectAlternativeNames: names.length > 1 ? names.slice(1) : undefined,
      validationMethod: "DNS",
      domainValidationOptions: names.map((domainName) => ({ domainName, hostedZoneId: zone })),
    }).ref;
  return addListener(place, "Https", {
    protocol: "HTTPS",
    port: 443,
    sslPolicy: TLS_POLICY,
    certificates: [{ certificateArn }],
  });
}

function addBalancerAlarms({ builder, site, balancer }: EdgePlace, topic: string): void {
  const { stack } = builder;
  const { serverErrors, clientErrors } = site.settings.alarms;
  const watch = { topic, dimensions: { LoadBalancer: balancer.attrLoadBalancerFullName }, minutes: 5 };
  const label = `${site.app}, ${site.environment}`;
  addShareAlarm(stack, "ServerErrorsAlarm", {
    ...watch,
    about: `${label}: more than ${serverErrors} % of the answers were errors of a service, for 5 minutes`,
    errors: "serverErrors",
    above: percent(serverErrors),
  });
  addShareAlarm(stack, "ClientErrorsAlarm", {
    ...watch,
    about: `${label}: more than ${clientErrors} % of the requests were refused with a status from 400 to 499, for 5 minutes`,
    errors: "clientErrors",
    above: percent(clientErrors),
  });
  addAlarm(stack, "BalancerErrorsAlarm", {
    ...watch,
    about: `${label}: the balancer itself answered with errors, for 5 minutes: no instance was there to ask, or it broke off`,
    metric: "ownErrors",
    above: count(10),
  });
}
