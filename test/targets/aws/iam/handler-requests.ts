// What CloudFormation asks IAM for in a person's name, for one type of resource: each call of its handlers, on each thing that the call is
// about, with the tags that exist at that moment. From AWS's schemas of resource types and its service authorization reference.
import type { HandlerPermissions } from "../../../../src/targets/aws/resource-types/entry/cloudformation-permissions.ts";
import { RESOURCE_TYPES } from "../../../../src/targets/aws/resource-types/index.ts";
import { ACCOUNT, ARNS, FOREIGN, REGION } from "../resource-types/arns.ts";
import type { HandlerFacts } from "../templates/cfn-lint.ts";
import { type Action, canMeet, findAction, type Kind } from "./reference.ts";
import type { Request } from "./simulate.ts";

export interface HandlerRequest extends Request {
  handler: keyof HandlerPermissions;
}

const TAGS = { "landfall:app": "shop", "landfall:environment": "production" };
/** Such a call is about a thing that is not there yet. */
const MAKES = /:(Create|Run|Allocate|Register|Request)/;
const TAGGING = /:(TagResource|TagRole|TagQueue|AddTags\w*|CreateTags|ChangeTags\w*)$/;
/** How long tags take to count, where that is minutes and not at once (KMS, "Use tags to control access to KMS keys"). */
const SLOW_TAGS = /^kms:/;
/** Calls with more in the request than tags. */
const CONTEXT: Record<string, Record<string, string | string[]>> = {
  "iam:PassRole": { "iam:PassedToService": "ec2.amazonaws.com" },
  "iam:CreateServiceLinkedRole": { "iam:AWSServiceName": "rds.amazonaws.com" },
  "kms:CreateGrant": { "kms:GrantIsForAWSResource": "true" },
  "route53:ChangeResourceRecordSets": { "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["database.production.shop.internal"] },
};
/** In a schema, and not in what the handler does, which AWS has published. */
const NEVER: Partial<Record<keyof HandlerPermissions, Record<string, string>>> = {
  create: {
    "kms:PutKeyPolicy": "a key is made with its policy (aws-cloudformation-resource-providers-kms, CreateHandler)",
    "ec2:DeleteTags": "nothing is taken away from what is new",
  },
  read: Object.fromEntries(
    ["wafv2:AssociateWebACL", "wafv2:DisassociateWebACL", ...["Set", "Create", "Delete"].map((verb) => `elasticloadbalancing:${verb}WebACL`)].flatMap(
      (action) => [action, `${action}Association`].map((one) => [one, "one list serves all handlers of the type; to read, nothing is changed"]),
    ),
  ),
  remove: {
    "elasticloadbalancing:CreateWebACLAssociation": "one list serves all handlers of the type",
    "iam:PassRole": "nothing that goes is given a role",
    "iam:TagRole": "nothing that goes is tagged",
    "iam:UntagRole": "nothing that goes is tagged",
    "wafv2:AssociateWebACL": "one list serves all handlers of the type",
  },
};
/** Decided for the account as a whole, whatever is asked about (danilop/yas3fs#57, and parliament's older reference). */
const OF_ACCOUNT = /^sns:(Unsubscribe|(Get|Set)SubscriptionAttributes)$/;
/** Kinds that the reference calls optional and that our templates always use. */
const USED: Record<string, string[]> = {
  "ec2:RunInstances": ["launch-template", "volume"],
  "ec2:AssociateAddress": ["elastic-ip", "network-interface"],
  "elasticloadbalancing:CreateListener": ["loadbalancer/app/"],
  "elasticache:CreateReplicationGroup": ["replicationgroup", "subnetgroup"],
  "rds:CreateDBInstance": ["pg", "subgrp"],
};

export interface TypeFacts extends HandlerFacts {
  type: string;
}

/** `isTagged` says whether what there is of ours carries our tags. */
export async function handlerRequests(facts: TypeFacts, isTagged: (arn: string) => boolean): Promise<HandlerRequest[]> {
  const grant = RESOURCE_TYPES[facts.type]?.permissions as HandlerPermissions;
  const granted = Object.values(grant).flat();
  const called = (handler: keyof HandlerPermissions, asAws: "create" | "read" | "update" | "delete") => [
    ...new Set([...grant[handler], ...(facts.handlers[asAws] ?? []).filter((action) => granted.includes(action))]),
  ];
  const handlers: [keyof HandlerPermissions, string[]][] = [
    ["create", called("create", "create")],
    ["read", called("read", "read")],
    ["update", called("update", "update")],
    ["remove", called("remove", "delete")],
  ];
  const requests = handlers.flatMap(([handler, actions]) =>
    actions.filter((action) => !NEVER[handler]?.[action]).map((action) => requestsOf({ ...facts, handler, action, isTagged })),
  );
  return (await Promise.all(requests)).flat();
}

interface HandlerCall extends TypeFacts {
  handler: keyof HandlerPermissions;
  action: string;
  isTagged(arn: string): boolean;
}

async function requestsOf({ type, handler, action, isTagged }: HandlerCall): Promise<HandlerRequest[]> {
  const reference = await findAction(action);
  if (!reference) throw new TypeError(`AWS has no action ${action}`);
  const isNew = handler === "create" && (MAKES.test(action) || TAGGING.test(action) || SLOW_TAGS.test(action));
  // Later only what has changed is put on.
  const newTags: Record<string, string> = handler === "create" ? TAGS : TAGGING.test(action) ? { "landfall:release": "7f3c2a" } : {};
  const request = (resource: string, hasTags: boolean): HandlerRequest => ({
    handler,
    action,
    resource,
    newTags,
    context: { "aws:CalledVia": ["cloudformation.amazonaws.com"], ...CONTEXT[action] },
    ...(hasTags ? { tags: TAGS } : {}),
  });
  if (reference.kinds.length === 0) return [request("*", false)];
  if (OF_ACCOUNT.test(action)) return [request(`arn:aws:sns:${REGION}:${ACCOUNT}:whichever`, false)];
  const own = (ARNS[type] ?? []).filter((arn) => isAbout(reference, arn));
  const others = reference.kinds.filter((kind) => isUsed(action, kind, own)).flatMap((kind) => thingsOf(kind, action));
  return [...own.map((arn) => request(arn, !isNew && isTagged(arn))), ...others.map((arn) => request(arn, isTagged(arn)))];
}

/** What balancers of both kinds have is in the reference with the old kind only. */
const isAbout = ({ kinds }: Action, arn: string) =>
  kinds.some((kind) => canMeet(arn, kind.arn) || (kind.name === "loadbalancer" && arn.includes(":elasticloadbalancing:")));

function isUsed(action: string, kind: Kind, own: string[]): boolean {
  if (own.some((arn) => canMeet(arn, kind.arn))) return false;
  return own.length === 0 || kind.required || (USED[action] ?? []).includes(kind.name);
}

/** Roles of services are made by one call only, and handed on by none. */
const thingsOf = (kind: Kind, action: string) =>
  [...new Set([...Object.values(ARNS).flat(), ...FOREIGN])].filter(
    (arn) => canMeet(arn, kind.arn) && arn.includes(":role/aws-service-role/") === (action === "iam:CreateServiceLinkedRole"),
  );
