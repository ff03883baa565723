// What every operation on an aws environment works with, and where it is: whose account, which region.
import type { EnvironmentApp } from "../../config/app.ts";
import { LandfallError } from "../../error.ts";
import type { Emit } from "../../progress.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import type { TargetInput } from "../target.ts";
import { type Clients, makeClients, refuseExposedCredentials } from "./clients.ts";

export interface Context {
  app: EnvironmentApp;
  folder: string;
  clients: Clients;
  clock: Clock;
  emit: Emit;
  signal?: AbortSignal;
  wait?: boolean;
}

export const makeContext = (input: TargetInput): Context => ({
  ...input,
  clients: makeClients({ region: input.app.environment.region }),
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
export async function locate({ app, clients }: Context): Promise<Place> {
  refuseExposedCredentials();
  const sts = await clients.sts();
  const { Account: account = "", Arn: identity = "" } = await sts.getCallerIdentity({});
  const { account: wanted } = app.environment;
  if (wanted !== undefined && wanted !== account) throw accountDiffers(app.name, wanted, { account, identity });
  return { account, region: await sts.config.region(), partition: identity.split(":")[1] || "aws", identity };
}

/** `locate`, said aloud. */
export async function announce(context: Context): Promise<Place> {
  const place = await locate(context);
  context.emit({ type: "note", text: `account ${place.account}, region ${place.region}, as ${place.identity}` });
  return place;
}

const accountDiffers = (environment: string, wanted: string, { account, identity }: Pick<Place, "account" | "identity">) =>
  new LandfallError({
    code: "AWS_ACCOUNT_DIFFERS",
    what: `environment "${environment}" belongs to account "${wanted}", and these credentials are of "${account}"`,
    why: `they are those of ${identity}`,
    standing: "Nothing was changed.",
    next: "set AWS_PROFILE to a profile of that account",
  });
