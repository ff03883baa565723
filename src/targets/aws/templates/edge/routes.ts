// The routes, and the shares of a service's fleets: the rules of the balancer's listener. A stack of its own,
// because that is all that changes when traffic moves from one fleet to another.
//
// A rule's logical name is its place in the order. So a route that is put before others changes what each rule says, and no rule
// its priority: CloudFormation would change one after the other, and two rules cannot have the same.
import type { aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import { defaultService } from "../../../../config/deployment.ts";
import { type BalancerAction, drainPaths, type PlacedRoute, placeRoutes } from "../../../../routing/placement.ts";
import { cdk } from "../shared/cdk.ts";
import { CONDITION_VALUES_MAX } from "../shared/quotas.ts";
import { RULES_NOTE, SLOTS, WEIGHTS_NOTE, weightsNoteOf } from "../shared/running.ts";
import { type Site, StackBuilder } from "../shared/stack-builder.ts";

type Action = elb.CfnListenerRule.ActionProperty;

/** Where the rules are added: their stack, and those of the services that they lead to. */
interface RoutesPlace {
  builder: StackBuilder<"routes">;
  site: Site;
  services: Map<string, StackBuilder<"service">>;
}

export function addRoutes(
  site: Site,
  edge: StackBuilder<"edge"> | undefined,
  services: Map<string, StackBuilder<"service">>,
): StackBuilder<"routes"> | undefined {
  if (!edge) return undefined;
  const builder = new StackBuilder(site, { role: "routes" });
  const weights = weightsNoteOf(site.running);
  if (Object.keys(weights).length > 0) builder.note(WEIGHTS_NOTE, weights);
  if (site.rules) builder.note(RULES_NOTE, site.rules);
  const place: RoutesPlace = { builder, site, services };
  const forward = (service: string) => forwardAction(place, service);
  const fallback = site.rules?.defaultService ?? defaultService(site.configured.services);
  const rules = [
    ...chunks(drainPaths({ services: privateOf(site) }), CONDITION_VALUES_MAX).map((paths) => ({ conditions: [pathCondition(paths)], action: DENY })),
    ...placeRoutes(site.routes).flatMap((placed) => ruleOf(placed, forward)),
    { conditions: [pathCondition(["/*"])], action: fallback === undefined ? NOBODY : forward(fallback) },
  ];
  for (const [index, { conditions, action }] of rules.entries()) {
    const rule = new cdk.aws_elasticloadbalancingv2.CfnListenerRule(builder.stack, `Rule${index + 1}`, {
      listenerArn: builder.parameter(edge, "Listener"),
      priority: index + 1,
      conditions,
      actions: [action],
    });
    // CloudFormation takes a change of the notes alone for none.
    if (site.rules && index === rules.length - 1) rule.cfnOptions.metadata = { "Landfall::Release": site.rules.release };
  }
  if (site.rules) builder.output(site.rules.release, "Release");
  return builder;
}

/** The services whose paths are not let in, each as every release has it that runs; before the first one, as configured. */
function privateOf({ running, configured }: Site): Site["services"] {
  const settings = Object.entries(running).flatMap(([service, fleets]) =>
    Object.entries(fleets).map(([slot, fleet]) => [`${service} ${slot}`, fleet.settings] as const),
  );
  return settings.length > 0 ? Object.fromEntries(settings) : configured.services;
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

/** As the listener answers by itself: not yet. */
const NOBODY: Action = {
  type: "fixed-response",
  fixedResponseConfig: { statusCode: "503", contentType: "text/plain", messageBody: "no service yet\n" },
};

/** Only to what runs: a target group that no rule leads to can be drawn anew for the fleet that comes into it. */
function forwardAction({ builder, site, services }: RoutesPlace, service: string): Action {
  const from = services.get(service);
  const fleets = site.running[service] ?? {};
  const slots = SLOTS.filter((slot) => fleets[slot]?.settings.kind === "web");
  if (!from || slots.length === 0) return NOBODY;
  const [first] = slots;
  const silent = slots.every((slot) => fleets[slot]?.weight === undefined);
  const targetGroups = slots.map((slot) => ({
    targetGroupArn: builder.parameter(from, slot, "TargetGroup"),
    weight: silent ? Number(slot === first) : (fleets[slot]?.weight ?? 0),
  }));
  return { type: "forward", forwardConfig: { targetGroups } };
}

function chunks<T>(items: T[], length: number): T[][] {
  return items.length === 0 ? [] : [items.slice(0, length), ...chunks(items.slice(length), length)];
}
