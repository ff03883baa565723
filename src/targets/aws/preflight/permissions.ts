// Whether whoever acts may make the calls that the commands need, by IAM's own simulation of the policies that they have. What is asked is what
// `landfall iam` prints: each call on the resources and under the conditions of its statement.
import type { ContextEntry } from "@aws-sdk/client-iam";
import pLimit from "p-limit";
import { LandfallError } from "../../../error.ts";
import type { PolicyStatement, PreflightFinding } from "../../../reports.ts";
import type { Clients } from "../account/clients.ts";
import type { Place } from "../context.ts";
import { listPermissions } from "../iam/list.ts";
import { lotsOf } from "../resource-types/entry/lookup.ts";
import type { Answer, Preflight } from "./question.ts";

/** IAM answers few simulations a second. */
const AT_ONCE = 4;
/** Calls of one question: a request may not be longer than a form that IAM takes. */
const CALLS_MAX = 100;
const NAMED_MAX = 12;

export async function askPermissions({ context, place }: Preflight): Promise<Answer> {
  const { deployment, clients } = context;
  const { account, region } = place;
  const { permissions } = listPermissions({ ...deployment, settings: { ...deployment.settings, account, region } });
  const needed = permissions.map(({ commands, policies }) => ({ commands, statements: policies.flatMap(({ Statement }) => Statement) }));
  const calls = new Set(needed.flatMap(({ statements }) => statements.flatMap(({ Action }) => Action)));
  const asked = `${calls.size} calls of ${needed.length} groups of commands, as ${place.identity}`;
  if (place.identity.endsWith(":root")) return { asked: `${asked}, which may make every call`, findings: [], unasked: [] };
  try {
    const principal = await findPrincipal(clients, place);
    if (principal === undefined) return { asked, findings: [], unasked: ["who acts is no user and no role, and IAM simulates those only"] };
    const denied = await findDenied(clients, { principal, region, statements: needed.flatMap(({ statements }) => statements) });
    const findings = needed.flatMap(({ commands, statements }) => describeDenied(deployment.environment, commands, statements.flatMap(denied)));
    return { asked, findings, unasked: [] };
  } catch (error) {
    if (!(error instanceof LandfallError) || error.code !== "AWS_ACCESS_DENIED") throw error;
    return { asked, findings: [], unasked: [`whoever acts may not ask: ${error.parts.what}`] };
  }
}

/** The user or role whose policies count; undefined for somebody who is neither. */
async function findPrincipal(clients: Clients, { identity }: Place): Promise<string | undefined> {
  if (/^arn:[^:]+:iam::\d+:user\//.test(identity)) return identity;
  const [, RoleName] = /^arn:[^:]+:sts::\d+:assumed-role\/([^/]+)\//.exec(identity) ?? [];
  // A session's ARN does not have the path of its role.
  return RoleName && (await (await clients.iam()).getRole({ RoleName })).Role?.Arn;
}

interface Question {
  principal: string;
  region: string;
  statements: PolicyStatement[];
}

const scopeOf = ({ Resource, Condition }: PolicyStatement): string => JSON.stringify([Resource, Condition]);

/** Of a statement: its calls that are not allowed. Each scope is asked about once, whichever commands have it. */
async function findDenied(clients: Clients, { principal, region, statements }: Question): Promise<(statement: PolicyStatement) => string[]> {
  const iam = await clients.iam();
  const denied = new Map<string, Set<string>>(statements.map((statement) => [scopeOf(statement), new Set()]));
  const limit = pLimit(AT_ONCE);
  const ask = async ({ Action: ActionNames, Resource: ResourceArns, ...scope }: PolicyStatement) => {
    const ContextEntries = entriesOf({ "aws:RequestedRegion": region }, scope.Condition);
    const pages = iam.paginateSimulatePrincipalPolicy({ PolicySourceArn: principal, ActionNames, ResourceArns, ContextEntries });
    for await (const { EvaluationResults = [] } of pages)
      for (const { EvalActionName = "", EvalDecision, ResourceSpecificResults = [] } of EvaluationResults) {
        // A statement names resources of several kinds, and no call is about all of them.
        const allowed = EvalDecision === "allowed" || ResourceSpecificResults.some(({ EvalResourceDecision }) => EvalResourceDecision === "allowed");
        if (!allowed) denied.get(scopeOf({ ...scope, Action: ActionNames, Resource: ResourceArns }))?.add(EvalActionName);
      }
  };
  await Promise.all(joinScopes(statements).map((statement) => limit(() => ask(statement))));
  return (statement) => statement.Action.filter((action) => denied.get(scopeOf(statement))?.has(action));
}

/** One statement for each scope, with all calls; several where these are too many for one question. */
function joinScopes(statements: PolicyStatement[]): PolicyStatement[] {
  const joined = new Map<string, PolicyStatement>();
  for (const statement of statements) {
    const known = joined.get(scopeOf(statement))?.Action ?? [];
    joined.set(scopeOf(statement), { ...statement, Action: [...new Set([...known, ...statement.Action])] });
  }
  return [...joined.values()].flatMap((statement) => lotsOf(statement.Action, CALLS_MAX).map((Action) => ({ ...statement, Action })));
}

/** What a request would bring with it, for the conditions that are asked of it. Of several values that would do, the first. */
function entriesOf(always: Record<string, string>, condition: PolicyStatement["Condition"] = {}): ContextEntry[] {
  const asked = Object.entries(condition).flatMap(([operator, keys]) =>
    Object.entries(keys).map(
      ([ContextKeyName, value]): ContextEntry => ({
        ContextKeyName,
        ContextKeyValues: [value].flat().slice(0, 1),
        ContextKeyType: operator.startsWith("ForA") ? "stringList" : "string",
      }),
    ),
  );
  const own = Object.entries(always)
    .filter(([key]) => !asked.some(({ ContextKeyName }) => ContextKeyName === key))
    .map(([ContextKeyName, value]): ContextEntry => ({ ContextKeyName, ContextKeyValues: [value], ContextKeyType: "string" }));
  return [...own, ...asked];
}

function describeDenied(environment: string, commands: string[], calls: string[]): PreflightFinding[] {
  const denied = [...new Set(calls)].sort();
  if (denied.length === 0) return [];
  const named = denied.slice(0, NAMED_MAX).join(", ");
  return [
    {
      what: `${commands.join(", ")}: ${denied.length} ${denied.length === 1 ? "call is" : "calls are"} not allowed`,
      why: denied.length > NAMED_MAX ? `${named} and ${denied.length - NAMED_MAX} more` : named,
      next: `landfall iam ${environment} ${commands[0]?.includes(" ") ? `"${commands[0]}"` : commands[0]}   prints what is needed`,
    },
  ];
}
