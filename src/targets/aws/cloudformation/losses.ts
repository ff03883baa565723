// Which changes would lose data: a replacement makes a new, empty thing beside the old one and then removes that.
import type { Change, ResourceChange } from "@aws-sdk/client-cloudformation";
import { LandfallError } from "../../../error.ts";

const KEEPS: Record<string, string> = {
  "AWS::DynamoDB::Table": "table",
  "AWS::EFS::FileSystem": "file system",
  "AWS::ElastiCache::CacheCluster": "cache",
  "AWS::ElastiCache::ReplicationGroup": "cache",
  "AWS::ElastiCache::ServerlessCache": "cache",
  "AWS::RDS::DBCluster": "database",
  "AWS::RDS::DBInstance": "database",
  "AWS::S3::Bucket": "bucket",
  "AWS::SQS::Queue": "queue",
};

/** What a resource type keeps, in a word; undefined for those that can be made again without a loss. */
export const dataKind = (type: string): string | undefined => KEEPS[type];

/**
 * CloudFormation calls a change to these conditional, and means replicas and databases in a zone of their own choice; ours are changed in
 * place. Of each of them AWS's page of the type says "some interruptions" or "no interruption", and of none "replacement".
 */
const IN_PLACE: Record<string, string[]> = {
  "AWS::RDS::DBInstance": [
    "AutoMinorVersionUpgrade",
    "BackupRetentionPeriod",
    "DBParameterGroupName",
    "MultiAZ",
    "PreferredMaintenanceWindow",
    "StorageType",
  ],
};

export interface Loss {
  stack: string;
  /** Its name in the stack: what confirms it. */
  logicalId: string;
  /** `database`, `bucket`, ... */
  kind: string;
  /** `may be replaced`: CloudFormation knows only while it does it. */
  how: "removed" | "replaced" | "may be replaced";
  /** Which properties are why, when it is a replacement. */
  because: string[];
}

/** The losses in a change set. */
export function findLosses(stack: string, changes: Change[]): Loss[] {
  return changes.flatMap(({ ResourceChange: change }): Loss[] => {
    const kind = dataKind(change?.ResourceType ?? "");
    if (!change || kind === undefined) return [];
    const because = causesOf(change);
    const how = lossOf(change, because);
    return how === undefined ? [] : [{ stack, logicalId: change.LogicalResourceId ?? "", kind, how, because }];
  });
}

/** The properties that ask for a replacement, or may. */
function causesOf({ ResourceType = "", Details = [] }: ResourceChange): string[] {
  const names = Details.flatMap(({ Target }) => (Target?.Name && Target.RequiresRecreation !== "Never" ? [Target] : []));
  const harmless = (name: string) => IN_PLACE[ResourceType]?.includes(name);
  return [...new Set(names.flatMap(({ Name, RequiresRecreation }) => (RequiresRecreation !== "Always" && harmless(Name ?? "") ? [] : [Name ?? ""])))];
}

function lossOf({ Action, Replacement, PolicyAction, Details = [] }: ResourceChange, because: string[]): Loss["how"] | undefined {
  // "Retain" keeps the old one in the account, though out of the stack.
  if (Action === "Remove") return PolicyAction === "Retain" ? undefined : "removed";
  if (Action !== "Modify") return undefined;
  if (Replacement === "True") return "replaced";
  return Replacement === "Conditional" && (because.length > 0 || Details.length === 0) ? "may be replaced" : undefined;
}

/** Rejects with STACK_REPLACEMENT_REFUSED unless each loss was confirmed by its name. */
export function refuseLosses(losses: Loss[], confirmed: string[], environment: string): void {
  const refused = losses.filter(({ logicalId }) => !confirmed.includes(logicalId));
  const command = `landfall commission ${environment} --confirm-replace ${[...confirmed, ...refused.map(({ logicalId }) => logicalId)].join(" ")}`;
  const [first, ...others] = refused.map((loss) => asError(loss, command));
  if (first) throw new LandfallError(first.parts, others);
}

const asError = ({ stack, logicalId, kind, how, because }: Loss, command: string) =>
  new LandfallError({
    code: "STACK_REPLACEMENT_REFUSED",
    what: `the change would lose data: ${kind} "${logicalId}" ${how === "may be replaced" ? how : `would be ${how}`}`,
    where: `stack ${stack}`,
    why: explain(how, because.map((name) => `"${name}"`).join(", ") || "it"),
    standing: `The ${kind} stands as it was.`,
    next: `take a copy of what is in it, then  ${command}   or undo the change`,
  });

function explain(how: Loss["how"], names: string): string {
  if (how === "removed") return "The configuration has it no more.";
  if (how === "replaced") return `AWS cannot change ${names} in place: it would make a new, empty one and remove the old one.`;
  return `AWS cannot always change ${names} in place: it may make a new, empty one and remove the old one.`;
}
