// The policies that a person or a pipeline needs, by command: the calls of Landfall itself, and those that CloudFormation makes in its name for the
// types of resources that this environment's templates have. Pure.
import type { Deployment } from "../../../config/deployment.ts";
import type { CommandPermissions, PermissionsReport, PolicyDocument, PolicyStatement } from "../../../reports.ts";
import type { HandlerPermissions } from "../resource-types/entry/cloudformation-permissions.ts";
import type { Scope, Site } from "../resource-types/entry/scope.ts";
import { RESOURCE_TYPES } from "../resource-types/index.ts";
import type { StackTemplate } from "../templates/index.ts";
import { hasContainers } from "../templates/shared/running.ts";
import { COMMANDS } from "./commands.ts";
import { scopesOf, siteOf } from "./scopes.ts";

/** By command, in the order in which an environment lives. Types without an entry are an error of ours: see the test. */
export function permissionsOf(deployment: Deployment, stacks: readonly StackTemplate[]): PermissionsReport {
  const site = siteOf(deployment);
  const { account, region } = site;
  const permissions = COMMANDS.map(({ commands, own, containers = [], network = [], handlers, of = "configured" }): CommandPermissions => {
    const types = of === "all" ? Object.keys(RESOURCE_TYPES) : typesIn(stacks.filter(({ role }) => of === "configured" || of.includes(role)));
    const actions = [
      ...new Set([
        ...own,
        ...(hasContainers(deployment) ? containers : []),
        ...(deployment.settings.network.vpc === undefined ? [] : network),
        ...types.flatMap((type) => handlers.flatMap((handler) => handlersOf(type)[handler])),
      ]),
    ].sort();
    return { commands, policies: pack(statementsOf(actions, site)), reasons: reasonsOf(actions, site) };
  });
  return { app: deployment.app, environment: deployment.environment, account, region, permissions };
}

function handlersOf(type: string): HandlerPermissions {
  const entry = RESOURCE_TYPES[type];
  if (!entry) throw new TypeError(`nothing says what CloudFormation calls for ${type}`);
  return entry.permissions;
}

function resourcesIn(body: string): { Type: string }[] {
  const { Resources }: { Resources: Record<string, { Type: string }> } = JSON.parse(body);
  return Object.values(Resources);
}

const typesIn = (stacks: readonly StackTemplate[]): string[] => [...new Set(stacks.flatMap(({ body }) => resourcesIn(body).map(({ Type }) => Type)))];

/** One statement for all calls on the same resources under the same condition. */
function statementsOf(actions: readonly string[], site: Site): PolicyStatement[] {
  const groups = groupByScope(actions, site);
  return groups.map(({ scope, actions: own, service }, index) => ({
    Sid: `${capital(service)}${index + 1}`,
    Effect: "Allow",
    Action: own,
    Resource: scope.resources,
    ...(scope.condition ? { Condition: scope.condition } : {}),
  }));
}

interface ScopedActions {
  scope: Scope;
  actions: string[];
  /** Of the first action. */
  service: string;
}

function groupByScope(actions: readonly string[], site: Site): ScopedActions[] {
  const groups = new Map<string, ScopedActions>();
  for (const action of actions)
    for (const scope of scopesOf(action, site)) {
      const key = JSON.stringify([scope.resources, scope.condition]);
      const group = groups.get(key) ?? { scope, actions: [], service: action.replace(/:.*/, "") };
      group.actions.push(action);
      groups.set(key, group);
    }
  return [...groups.values()];
}

/** Why calls are not narrower, each reason with the calls that it is for. */
function reasonsOf(actions: readonly string[], site: Site): CommandPermissions["reasons"] {
  const reasons = new Map<string, string[]>();
  for (const action of actions)
    for (const { reason } of scopesOf(action, site)) if (reason) reasons.set(reason, [...(reasons.get(reason) ?? []), action]);
  return [...reasons].map(([reason, own]) => ({ reason, actions: own }));
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1).replaceAll("-", "");

/** What a managed policy of IAM may have, without white space. */
const POLICY_MAX = 6_144;

/** As few documents as hold all statements; a role takes ten. One statement never outgrows a document. */
function pack(statements: readonly PolicyStatement[]): PolicyDocument[] {
  const documents: PolicyDocument[] = [];
  for (const statement of statements.flatMap(halve)) {
    const room = documents.find((document) => sizeOf([...document.Statement, statement]) <= POLICY_MAX);
    if (room) room.Statement.push(statement);
    else documents.push({ Version: "2012-10-17", Statement: [statement] });
  }
  return documents;
}

const sizeOf = (Statement: PolicyStatement[]) => JSON.stringify({ Version: "2012-10-17", Statement }).length;

/** A statement that would fill more than half a document becomes two, so that packing has something to choose from. */
function halve(statement: PolicyStatement): PolicyStatement[] {
  if (sizeOf([statement]) <= POLICY_MAX / 2 || statement.Action.length < 2) return [statement];
  const middle = Math.ceil(statement.Action.length / 2);
  const parts = [statement.Action.slice(0, middle), statement.Action.slice(middle)];
  return parts.map((Action, index) => ({ ...statement, Sid: `${statement.Sid}${index === 0 ? "A" : "B"}`, Action })).flatMap(halve);
}
