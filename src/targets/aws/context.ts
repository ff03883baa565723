// The context of every operation on an aws environment, with its account and region.
import type { Deployment } from "../../config/deployment.ts";
import { LandfallError } from "../../error.ts";
import type { Emit } from "../../progress.ts";
import { systemClock } from "../../system/clock.ts";
import type { TargetInput } from "../target.ts";
import type { Account } from "./account/account.ts";
import { assertCredentialsPrivate, makeClients } from "./account/clients.ts";

export interface Context extends Account {
  deployment: Deployment;
  folder: string;
  emit: Emit;
  wait?: boolean;
}

export const makeContext = (input: TargetInput): Context => ({
  ...input,
  clients: makeClients({ region: input.deployment.settings.region }),
  clock: systemClock,
});

export interface Place {
  account: string;
  region: string;
  /** `aws`, but for regions that are separate from the rest: `aws-cn`, `aws-us-gov`. */
  partition: string;
  /** The ARN of who acts. */
  identity: string;
}

/**
 * Asks AWS who we are and where. To be called, and its answer shown, before anything is changed.
 * Errors: AWS_ACCOUNT_DIFFERS when the environment's key "account" names another one; AWS_CREDENTIALS_*, AWS_REGION_MISSING.
 */
export async function locate({ deployment, clients }: Context): Promise<Place> {
  assertCredentialsPrivate();
  const sts = await clients.sts();
  const { Account: account = "", Arn: identity = "" } = await sts.getCallerIdentity({});
  const { account: expected } = deployment.settings;
  if (expected !== undefined && expected !== account) throw accountDiffers(deployment.environment, expected, { account, identity });
  return { account, region: await sts.config.region(), partition: identity.split(":")[1] || "aws", identity };
}

/** `locate`, said aloud. */
export async function announce(context: Context): Promise<Place> {
  const place = await locate(context);
  context.emit({ type: "note", text: `account ${place.account}, region ${place.region}, as ${place.identity}` });
  return place;
}

const accountDiffers = (environment: string, expected: string, { account, identity }: Pick<Place, "account" | "identity">) =>
  new LandfallError({
    code: "AWS_ACCOUNT_DIFFERS",
    what: `environment "${environment}" belongs to account "${expected}", and these credentials are of "${account}"`,
    why: `they are those of ${identity}`,
    standing: "Nothing was changed.",
    next: "set AWS_PROFILE to a profile of that account",
  });
