// The limits of one template, checked before CloudFormation or the service would refuse it halfway.
import { type Beyond, beyondLimit } from "./quotas.ts";

/** What is looked at, of all that a resource may have. */
interface Properties {
  LaunchTemplateData?: { UserData?: { "Fn::Base64"?: unknown } };
  Policies?: unknown;
}

interface Drawn {
  Resources?: Record<string, { Type: string; Properties?: Properties }>;
  Parameters?: object;
  Outputs?: object;
}

/** CloudFormation, "Quotas", 2026. The text counts as it lies in a bucket. */
const MOST = [
  ["Resources", 500],
  ["Parameters", 200],
  ["Outputs", 200],
] as const;
const TEXT_MAX = 1_000_000;
/** EC2, "Run commands when you launch an EC2 instance": before it is encoded. */
export const USER_DATA_MAX = 16_384;
/** IAM, "IAM and STS quotas": all inline policies of a role together, without white space. */
const ROLE_POLICIES_MAX = 10_240;

const DIVIDE = "divide the app's resources and services between two apps";
const GIVE_FEWER = "give the service fewer secrets, or the app fewer resources";

/** Errors: AWS_LIMIT. */
export function assertTemplateFits(stack: string, template: Drawn, body: string): void {
  const where = `stack "${stack}"`;
  const hold = (measured: Omit<Beyond, "where">) => {
    if (measured.count > measured.limit) throw beyondLimit({ where, ...measured });
  };
  for (const [part, limit] of MOST) hold({ what: part.toLowerCase(), count: Object.keys(template[part] ?? {}).length, limit, next: DIVIDE });
  hold({ what: "bytes", count: Buffer.byteLength(body), limit: TEXT_MAX, next: DIVIDE });
  for (const [id, { Type, Properties = {} }] of Object.entries(template.Resources ?? {})) {
    const owner = `of ${id}`;
    const { LaunchTemplateData, Policies } = Properties;
    if (Type === "AWS::EC2::LaunchTemplate") {
      const count = lengthOf(LaunchTemplateData?.UserData?.["Fn::Base64"]);
      hold({ what: `bytes of user data ${owner}`, count, limit: USER_DATA_MAX, next: GIVE_FEWER });
    }
    if (Type === "AWS::IAM::Role")
      hold({ what: `characters of policies ${owner}`, count: lengthOf(Policies), limit: ROLE_POLICIES_MAX, next: GIVE_FEWER });
  }
}

/** What a reference mostly comes to: an address, an ARN, a name. */
const REFERENCE_LENGTH = 60;
const PSEUDO: Record<string, number> = { "AWS::Partition": 3, "AWS::Region": 14, "AWS::AccountId": 12 };

const isJoin = (value: unknown): value is [separator: string, parts: unknown[]] =>
  Array.isArray(value) && typeof value[0] === "string" && Array.isArray(value[1]);

/** In bytes, of the text that a value comes to, with a guess for what only CloudFormation knows. */
function lengthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return value === undefined ? 0 : Buffer.byteLength(String(value));
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + lengthOf(item) + 3, 2);
  const entries = Object.entries(value);
  const [key, inner] = entries[0] ?? [];
  if (entries.length === 1 && key === "Ref") return PSEUDO[String(inner)] ?? REFERENCE_LENGTH;
  if (entries.length === 1 && key === "Fn::GetAtt") return REFERENCE_LENGTH;
  if (entries.length === 1 && key === "Fn::Join" && isJoin(inner)) {
    const [by, parts] = inner;
    return parts.reduce((sum: number, part) => sum + lengthOf(part) + by.length, 0);
  }
  return entries.reduce((sum, [name, one]) => sum + name.length + lengthOf(one) + 6, 2);
}
