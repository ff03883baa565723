// How large one template may be, and what is in it, before CloudFormation or the service would refuse it halfway.
import { beyondLimit } from "../limits.ts";

interface Drawn {
  Resources?: Record<string, { Type: string; Properties?: Record<string, unknown> }>;
  Parameters?: object;
  Outputs?: object;
}

/** CloudFormation, "Quotas", 2026. The text counts as it lies in a bucket. */
const MOST = { Resources: 500, Parameters: 200, Outputs: 200 } as const;
const TEXT_MAX = 1_000_000;
/** EC2, "Run commands when you launch an EC2 instance": before it is encoded. */
const USER_DATA_MAX = 16_384;
/** IAM, "IAM and STS quotas": all inline policies of a role together, without white space. */
const ROLE_POLICIES_MAX = 10_240;

/** Errors: AWS_LIMIT. */
export function refuseTooLarge(stack: string, template: Drawn, body: string): void {
  const where = `stack "${stack}"`;
  const hold = (what: string, count: number, limit: number, next: string) => {
    if (count > limit) throw beyondLimit({ where, what, count, limit, next });
  };
  for (const [part, limit] of Object.entries(MOST) as [keyof typeof MOST, number][])
    hold(part.toLowerCase(), Object.keys(template[part] ?? {}).length, limit, "divide the app's resources and services between two apps");
  hold("bytes", Buffer.byteLength(body), TEXT_MAX, "divide the app's resources and services between two apps");
  for (const [id, { Type, Properties = {} }] of Object.entries(template.Resources ?? {})) {
    const owner = `of ${id}`;
    if (Type === "AWS::EC2::LaunchTemplate") {
      const { UserData } = Properties.LaunchTemplateData as { UserData?: { "Fn::Base64"?: unknown } };
      hold(
        `bytes of user data ${owner}`,
        lengthOf(UserData?.["Fn::Base64"]),
        USER_DATA_MAX,
        "give the service fewer secrets, or the app fewer resources",
      );
    }
    if (Type === "AWS::IAM::Role")
      hold(
        `characters of policies ${owner}`,
        lengthOf(Properties.Policies),
        ROLE_POLICIES_MAX,
        "give the service fewer secrets, or the app fewer resources",
      );
  }
}

/** What a reference mostly comes to: an address, an ARN, a name. */
const REFERENCE_LENGTH = 60;
const PSEUDO: Record<string, number> = { "AWS::Partition": 3, "AWS::Region": 14, "AWS::AccountId": 12 };

/** Of the text that a value comes to, with a guess for what only CloudFormation knows. */
function lengthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return value === undefined ? 0 : String(value).length;
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + lengthOf(one) + 3, 2);
  const entries = Object.entries(value);
  const [key, inner] = entries[0] ?? [];
  if (entries.length === 1 && key === "Ref") return PSEUDO[String(inner)] ?? REFERENCE_LENGTH;
  if (entries.length === 1 && key === "Fn::GetAtt") return REFERENCE_LENGTH;
  if (entries.length === 1 && key === "Fn::Join") {
    const [by, parts] = inner as [string, unknown[]];
    return parts.reduce((sum: number, one) => sum + lengthOf(one) + by.length, 0);
  }
  return entries.reduce((sum, [name, one]) => sum + name.length + lengthOf(one) + 6, 2);
}
