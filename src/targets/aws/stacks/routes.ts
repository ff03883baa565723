// Which service gets which request, and how much of it which of its fleets: the rules of the balancer's listener. A stack of its own,
// because that is all that changes when traffic moves from one fleet to another.
//
// A rule's logical name is its place in the order. So a route that is put before others changes what each rule says, and no rule
// its priority: CloudFormation would change one after the other, and two rules cannot have the same.
import type { aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import { CONDITION_VALUES_MAX } from "../limits.ts";
import { type BalancerAction, defaultService, drainPaths, type PlacedRoute, placeRoutes } from "../routes.ts";
import { Blueprint, type Site } from "./blueprint.ts";
import { cdk } from "./cdk.ts";
import { logicalName } from "./names.ts";
import { SLOTS, slotsOf, WEIGHTS_NOTE, weightsNoteOf } from "./running.ts";

type Action = elb.CfnListenerRule.ActionProperty;

export function drawRoutes(site: Site, edge: Blueprint | undefined, services: Map<string, Blueprint>): Blueprint | undefined {
  if (!edge) return undefined;
  const blueprint = new Blueprint(site, { role: "routes" });
  const weights = weightsNoteOf(site.running);
  if (Object.keys(weights).length > 0) blueprint.note(WEIGHTS_NOTE, weights);
  const forward = (service: string) => forwardAction(blueprint, site, service, services.get(service) as Blueprint);
  const rules = [
    ...chunks(drainPaths(site.app), CONDITION_VALUES_MAX).map((paths) => ({ conditions: [pathCondition(paths)], action: DENY })),
    ...placeRoutes(site.app.routes).flatMap((placed) => ruleOf(placed, forward)),
    { conditions: [pathCondition(["/*"])], action: forward(defaultService(site.app) as string) },
  ];
  for (const [index, { conditions, action }] of rules.entries())
    new cdk.aws_elasticloadbalancingv2.CfnListenerRule(blueprint.stack, `Rule${index + 1}`, {
      listenerArn: blueprint.takeText(edge, "Listener"),
      priority: index + 1,
      conditions,
      actions: [action],
    });
  return blueprint;
}

const pathCondition = (values: string[]) => ({ field: "path-pattern", pathPatternConfig: { values } });

/** The same answer as the local balancer's. */
const DENY: Action = { type: "fixed-response", fixedResponseConfig: { statusCode: "404", contentType: "text/plain", messageBody: "not found\n" } };

function ruleOf({ route, action }: PlacedRoute, forward: (service: string) => Action) {
  if (!action) return [];
  const host = route.host === undefined ? [] : [{ field: "host-header", hostHeaderConfig: { values: [route.host.toLowerCase()] } }];
  return [{ conditions: [pathCondition([route.path]), ...host], action: actionOf(action, forward) }];
}

function actionOf(action: BalancerAction, forward: (service: string) => Action): Action {
  if (action.kind === "deny") return DENY;
  if (action.kind === "forward") return forward(action.service);
  const { kind, status, ...target } = action;
  return { type: kind, redirectConfig: { statusCode: `HTTP_${status}`, ...target } };
}

function forwardAction(blueprint: Blueprint, site: Site, service: string, from: Blueprint): Action {
  const fleets = site.running[service] ?? {};
  const first = SLOTS.find((slot) => fleets[slot]) ?? "blue";
  const silent = SLOTS.every((slot) => fleets[slot]?.weight === undefined);
  const targetGroups = slotsOf(site.app, fleets).map((slot) => ({
    targetGroupArn: blueprint.takeText(from, `${logicalName(service)}${logicalName(slot)}TargetGroup`),
    weight: silent ? Number(slot === first) : (fleets[slot]?.weight ?? 0),
  }));
  return { type: "forward", forwardConfig: { targetGroups } };
}

function chunks<T>(all: T[], length: number): T[][] {
  return all.length === 0 ? [] : [all.slice(0, length), ...chunks(all.slice(length), length)];
}
