// Explanations of failures in CloudFormation's words. From AWS's own pages on each service.

const FREE_PLAN = "The account is on AWS's Free plan, which new accounts begin with.";

/**
 * What ECS, RDS and ElastiCache say at the first use in an account: AWS makes the role that they work with at that moment, and does not know it everywhere
 * yet. Who may not make it hears the same.
 */
const NEW_ROLE =
  /assume the service linked role|permission to create service linked role|ServiceLinkedRoleNotFound|using IAM API CreateServiceLinkedRole|UsingWithRDS\.IAM\.ServiceLinkedRoles/i;

/** Whether the same is likely to succeed a little later. */
export const isRoleNew = (reason: string): boolean => NEW_ROLE.test(reason);

const MEANINGS: [pattern: RegExp, meaning: string][] = [
  [
    /not eligible for Free Tier/i,
    `${FREE_PLAN} It has small machines only: machine: { types: ["t4g.small"] }, or upgrade the account in the console.`,
  ],
  [/backup retention period exceeds .*free tier/is, `${FREE_PLAN} It keeps no long backups: backups: "1d", or upgrade the account in the console.`],
  [/available with free plan/i, `${FREE_PLAN} It has small databases only: machine: "db.t4g.micro", or upgrade the account in the console.`],
  [
    NEW_ROLE,
    "The role that this service works with in the account is not there: it was made a moment ago, or may not be made; landfall iam prints what is needed.",
  ],
  [/not authorized|AccessDenied|UnauthorizedOperation|is not allowed/i, "Who acts lacks a permission; landfall iam prints what is needed."],
  [/limit|quota|maximum number|LimitExceeded/i, "The account has as many of these as AWS allows it; Service Quotas in the console raises that."],
  [
    /InsufficientInstanceCapacity|insufficient capacity|do not have sufficient/i,
    "AWS has none of this machine type left in that zone; name further types.",
  ],
  [
    /Received \d+ SUCCESS signal|Failed to receive \d+ resource signal|signal/i,
    "Instances started and never said that they are healthy: the app's own log says why.",
  ],
  [/already exists/i, "Something of that name stands outside this stack: left from an earlier attempt, or made by somebody else."],
  [
    /(domain|certificate|DNS).*(validat|pending)|CAA/i,
    "The name could not be proven: its zone is not the one that the internet asks, or a CAA record forbids Amazon.",
  ],
  [/does not exist|not found|^No hosted zone|NoSuch|InvalidAMIID/i, "Something that the configuration names is not in this account and region."],
  [/engine version|EngineVersion|Cannot find version/i, "AWS does not offer that version here; leave the patch version out."],
  [
    /replacement of drifted resources/i,
    "What was changed by hand is to be replaced at the same time, which CloudFormation refuses: put it back by hand, or leave --revert-drift out.",
  ],
  [
    /InvalidParameterCombination|not supported|Unsupported/i,
    "AWS does not offer this combination in this region; another machine class mostly helps.",
  ],
  [/not empty|BucketNotEmpty/i, "Something was put into it meanwhile; the next run empties it again."],
  [/dependent object|DependencyViolation|has dependencies/i, "Something outside the stack still uses it."],
  [/deletion protection|protected DB|DeletionProtection/i, "The database is protected: set deletionProtection to false and commission first."],
  [/did not stabilize|timed out|exceeded max attempts|NotStabilized/i, "AWS did not finish it in its own time; trying again often helps."],
  [/Throttling|Rate exceeded/i, "The account makes too many calls at once; trying again later helps."],
  [/InternalFailure|Internal (error|failure)|ServiceUnavailable/i, "AWS itself failed; trying again helps."],
];

/** The only machine that a stack has by itself: the way out of private subnets. */
const MACHINE = "AWS::EC2::Instance";
const SIGNAL = /resource signal|SUCCESS signal/i;

/** What a failure in CloudFormation's words mostly means, of a resource of this type. */
export function meaningOf(reason: string, type?: string): string | undefined {
  if (type === MACHINE && SIGNAL.test(reason))
    return "The machine started and never said that it can do its work: its system log in the EC2 console says why.";
  return MEANINGS.find(([pattern]) => pattern.test(reason))?.[1];
}
