// What an environment's balancer would answer. The emulator takes no requests, and of a rule it does not say to which fleets it leads: so the rules
// are those that CloudFormation has applied, and the targets the emulator's.
import type { ElasticLoadBalancingV2 } from "@aws-sdk/client-elastic-load-balancing-v2";
import { observeEnvironment, observeTemplate } from "../../src/targets/aws/cloudformation/describe-stacks.ts";
import type { Context } from "../../src/targets/aws/context.ts";
import { stackName } from "../../src/targets/aws/templates/shared/names.ts";

interface Rule {
  Priority: number;
  Conditions: { Field: string; PathPatternConfig?: { Values: string[] } }[];
  Actions: [
    {
      FixedResponseConfig?: { StatusCode: string };
      RedirectConfig?: { StatusCode: string };
      ForwardConfig?: { TargetGroups: { TargetGroupArn: { Ref: string }; Weight: number }[] };
    },
  ];
}

/** The status that a request for the path gets: of a healthy instance it is 200. */
export async function answerOf({ clients, deployment }: Pick<Context, "clients" | "deployment">, path: string): Promise<number> {
  const routes = (await observeEnvironment(clients, deployment)).get(stackName(deployment, "routes"));
  const { Resources = {} } = (routes && (await observeTemplate(clients, routes))) ?? {};
  const rules = Object.values(Resources).map((resource) => (resource as unknown as { Properties: Rule }).Properties);
  const [action] = rules.sort((one, other) => one.Priority - other.Priority).find((one) => matches(one, path))?.Actions ?? [];
  const { FixedResponseConfig, RedirectConfig, ForwardConfig } = action ?? {};
  if (FixedResponseConfig) return Number(FixedResponseConfig.StatusCode);
  if (RedirectConfig) return Number(RedirectConfig.StatusCode.replace("HTTP_", ""));
  const groups = (ForwardConfig?.TargetGroups ?? []).filter(({ Weight }) => Weight > 0);
  const balancing = await clients.balancing();
  const healthy = await Promise.all(groups.map(({ TargetGroupArn }) => hasHealthy(balancing, routes?.parameters[TargetGroupArn.Ref])));
  return healthy.length > 0 && healthy.every(Boolean) ? 200 : 503;
}

const matches = ({ Conditions }: Rule, path: string): boolean =>
  Conditions.every(({ PathPatternConfig }) =>
    PathPatternConfig?.Values.some((pattern) => (pattern.endsWith("*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern)),
  );

async function hasHealthy(balancing: ElasticLoadBalancingV2, TargetGroupArn: string | undefined): Promise<boolean> {
  const { TargetHealthDescriptions = [] } = await balancing.describeTargetHealth({ TargetGroupArn });
  return TargetHealthDescriptions.some(({ TargetHealth }) => TargetHealth?.State === "healthy");
}
