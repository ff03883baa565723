// The regions of AWS, as the SDK knows them, to tell a mistyped one from an address that cannot be found. Never to refuse one by itself: there
// are new ones every year.
import type { LandfallError } from "../../../error.ts";
import { suggestions } from "../../../text/suggest.ts";

export const REGIONS: readonly string[] = [
  "af-south-1",
  "ap-east-1",
  "ap-east-2",
  "ap-northeast-1",
  "ap-northeast-2",
  "ap-northeast-3",
  "ap-south-1",
  "ap-south-2",
  "ap-southeast-1",
  "ap-southeast-2",
  "ap-southeast-3",
  "ap-southeast-4",
  "ap-southeast-5",
  "ap-southeast-6",
  "ap-southeast-7",
  "ca-central-1",
  "ca-west-1",
  "cn-north-1",
  "cn-northwest-1",
  "eu-central-1",
  "eu-central-2",
  "eu-isoe-west-1",
  "eu-north-1",
  "eu-south-1",
  "eu-south-2",
  "eu-west-1",
  "eu-west-2",
  "eu-west-3",
  "eusc-de-east-1",
  "il-central-1",
  "me-central-1",
  "me-south-1",
  "me-west-1",
  "mx-central-1",
  "sa-east-1",
  "sa-west-1",
  "us-east-1",
  "us-east-2",
  "us-gov-east-1",
  "us-gov-west-1",
  "us-iso-east-1",
  "us-iso-west-1",
  "us-isob-east-1",
  "us-isob-west-1",
  "us-isof-east-1",
  "us-isof-south-1",
  "us-west-1",
  "us-west-2",
];

export function regionUnknown(region: string): Pick<LandfallError["parts"], "code" | "what" | "next"> {
  const meant = suggestions(region, REGIONS).map((name) => `"${name}"`);
  const question = meant.length > 0 ? `did you mean ${meant.join(" or ")}?` : "see  aws ec2 describe-regions --region us-east-1 .";
  return {
    code: "AWS_REGION_UNKNOWN",
    what: `AWS has no region "${region}"`,
    next: `${question} It is the environment's key "region", else AWS_REGION, else that of the profile.`,
  };
}
