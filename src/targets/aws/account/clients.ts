// The clients of AWS. Credentials, region, endpoint (AWS_ENDPOINT_URL) and retries are the SDK's own; what goes wrong before AWS answers is put
// into our words here, once for all.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { LandfallError } from "../../../error.ts";
import { assertProfileKnown, explainMissing, nextLogin, settingsFiles } from "./missing-credentials.ts";
import { REGIONS, regionUnknown } from "./regions.ts";
import { LOADERS, type Settings } from "./sdk.ts";

const ATTEMPTS = 8;
const CONNECT_TIMEOUT_MS = 5_000;
/** No call of ours waits for work to be done, so an answer that takes longer than this was lost. */
const ANSWER_TIMEOUT_MS = 30_000;

export type Clients = { readonly [Name in keyof typeof LOADERS]: () => Promise<Awaited<ReturnType<(typeof LOADERS)[Name]>>> };

/**
 * Clients of one region, or of the one that the SDK's own settings name. Calls reject with AWS_* errors when AWS was not reached or did
 * not let us; with the service's own error otherwise.
 */
export function makeClients({ region }: { region?: string }): Clients {
  // The SDK announces which Node versions it will drop; that is no news for somebody who commissions an environment.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
  const settings: Settings = {
    ...(region === undefined ? {} : { region }),
    retryMode: "standard",
    ...(process.env.AWS_MAX_ATTEMPTS === undefined ? { maxAttempts: ATTEMPTS } : {}),
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: ANSWER_TIMEOUT_MS, throwOnRequestTimeout: true },
  };
  const sent = { changes: false };
  let known: Promise<void> | undefined;
  const before = () => {
    known ??= assertProfileKnown();
    return known;
  };
  const once = <Client extends object>(load: (settings: Settings) => Promise<Client>) => {
    let opening: Promise<Client> | undefined;
    return () => {
      opening ??= load(settings).then((client) => explainFailures(client, { sent, before }));
      return opening;
    };
  };
  return Object.fromEntries(Object.entries(LOADERS).map(([name, load]) => [name, once<object>(load)])) as Clients;
}

interface Stack {
  config: { region: () => Promise<string> };
  middlewareStack: {
    add(
      middleware: (
        next: (args: unknown) => Promise<unknown>,
        call: { clientName?: string; commandName?: string },
      ) => (args: unknown) => Promise<unknown>,
      options: { step: "initialize"; priority: "high"; name: string },
    ): void;
  };
}

function explainFailures<Client extends object>(
  client: Client,
  { sent, before }: { sent: { changes: boolean }; before: () => Promise<void> },
): Client {
  const { config, middlewareStack } = client as Stack;
  middlewareStack.add(
    (next, call) => async (args) => {
      const action = (call.commandName ?? "").replace(/Command$/, "");
      await before();
      sent.changes ||= !isReading(action);
      try {
        return await next(args);
      } catch (error) {
        const region = await config.region().catch(() => undefined);
        throw (await explainFailure(error, { service: serviceOf(call.clientName ?? ""), action, region }, sent.changes)) ?? error;
      }
    },
    { step: "initialize", priority: "high", name: "landfallFailures" },
  );
  return client;
}

/** Whether a call, or the paging through its answers, changes nothing. */
export const isReading = (action: string): boolean => /^(paginate|describe|get|list|head|lookup|select|search|filter)/i.test(action);

/** As policies name a service, where that is not the client's own name in small letters. */
const POLICY_NAMES: Record<string, string> = {
  elasticloadbalancingv2: "elasticloadbalancing",
  cloudwatchlogs: "logs",
  resourcegroupstaggingapi: "tag",
};
const serviceOf = (clientName: string) => {
  const name = clientName.replace(/Client$/, "").toLowerCase();
  return POLICY_NAMES[name] ?? name;
};

interface Call {
  service: string;
  action: string;
  region?: string;
}

const EXPIRED = ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];
const UNKNOWN_KEY = ["InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthFailure"];
const DENIED = ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized"];
/** What AWS gives an account until it asks for more. */
const NO_MORE = [
  ...["VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded", "VolumeLimitExceeded"],
  ...["AddressLimitExceeded", "VpcLimitExceeded", "NetworkInterfaceLimitExceeded"],
];
const NOT_FOUND = ["ENOTFOUND", "EAI_AGAIN"];
const UNREACHED = [...NOT_FOUND, "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "EPIPE", "TimeoutError"];

/** What an error of Node or of the SDK may have besides. */
interface SdkFailure extends NodeJS.ErrnoException {
  $metadata?: { httpStatusCode?: number; attempts?: number };
}

type Explanation = Pick<LandfallError["parts"], "code" | "what" | "next"> & { why?: string };

/** What is wrong between here and AWS, in our words; undefined for what a service says of its own things. */
export async function explainFailure(error: unknown, call: Call, changesSent: boolean): Promise<LandfallError | undefined> {
  if (error instanceof LandfallError || !(error instanceof Error)) return undefined;
  const explanation = (await explainSettings(error, call)) ?? explainRefusal(error, call) ?? explainSilence(error, call);
  if (!explanation) return undefined;
  const standing = changesSent ? "What AWS had begun goes on; the next run looks at what stands." : "Nothing was changed.";
  return new LandfallError({ why: error.message, standing, cause: error, ...explanation });
}

/** What is wrong with the settings here, so that AWS was not asked, or was told who nobody is any more. */
async function explainSettings(error: SdkFailure, { region = "" }: Call): Promise<Explanation | undefined> {
  const { name, message, code, path } = error;
  if (/Region is missing/.test(message))
    return {
      code: "AWS_REGION_MISSING",
      what: "no region of AWS is set",
      why: 'Neither the environment\'s key "region" nor your AWS settings name one.',
      next: 'add  region: "eu-central-1"  to the environment, or set AWS_REGION',
    };
  const [, refused] = /Region not accepted: region="(.*?)"/.exec(message) ?? [];
  const isNowhere = NOT_FOUND.includes(code ?? "") && message.includes(`.${region}.`) && !REGIONS.includes(region);
  if (refused !== undefined || isNowhere) return regionUnknown(refused ?? region);
  const isOfChain = name === "CredentialsProviderError" || /Could not load credentials|reading 'sso_/.test(message);
  if (isOfChain || (path !== undefined && path === process.env.AWS_WEB_IDENTITY_TOKEN_FILE))
    return {
      why: `The SDK looked at the variables, the profile, and what a machine or pipeline gives: ${message}`,
      ...(await explainMissing(message)),
    };
  if (EXPIRED.includes(name) || /(token|session|credentials).*expired/i.test(message))
    return { code: "AWS_CREDENTIALS_EXPIRED", what: "the credentials for AWS have expired", next: await nextLogin() };
  return undefined;
}

/** What AWS does not let these credentials do. */
function explainRefusal({ name }: SdkFailure, { service, action }: Call): Explanation | undefined {
  if (UNKNOWN_KEY.includes(name))
    return {
      code: "AWS_CREDENTIALS_REFUSED",
      what: `AWS does not accept the credentials (${name})`,
      next: "look which ones are used:  aws configure list",
    };
  if (DENIED.includes(name))
    return {
      code: "AWS_ACCESS_DENIED",
      what: `AWS does not allow "${service}:${action}"`,
      next: "give the person or the pipeline what  landfall iam  prints",
    };
  if (NO_MORE.includes(name))
    return {
      code: "AWS_QUOTA",
      what: `AWS gives the account no more for "${service}:${action}" (${name})`,
      next: "ask AWS for more: Service Quotas in the console, or  aws service-quotas request-service-quota-increase",
    };
  return undefined;
}

function explainSilence({ name, code, $metadata }: SdkFailure, { service, action }: Call): Explanation | undefined {
  if (UNREACHED.includes(code ?? "") || UNREACHED.includes(name))
    return {
      code: "AWS_UNREACHABLE",
      what: `AWS did not answer "${service}:${action}"`,
      next: "look at the network, and run the command again",
    };
  if (/^Throttl|RequestLimitExceeded|TooManyRequests/.test(name) || ($metadata?.httpStatusCode ?? 0) >= 500)
    return {
      code: "AWS_FAILED",
      what: `AWS failed at "${service}:${action}", ${$metadata?.attempts ?? ATTEMPTS} times (${name})`,
      next: "run the command again later",
    };
  return undefined;
}

/**
 * Refuses private files of AWS's settings that other users of this machine can read, or that cannot be read at all. Variables come before
 * the files, so that these are not looked at with them. Errors: AWS_CREDENTIALS_EXPOSED, AWS_CREDENTIALS_MISSING.
 */
export function assertCredentialsPrivate(environment: NodeJS.ProcessEnv = process.env): void {
  if (environment.AWS_ACCESS_KEY_ID) return;
  for (const file of privateFiles(environment)) {
    const mode = statSync(file, { throwIfNoEntry: false })?.mode;
    if (mode === undefined) continue;
    const octal = (mode & 0o777).toString(8).padStart(3, "0");
    if ((mode & 0o077) !== 0)
      throw new LandfallError({
        code: "AWS_CREDENTIALS_EXPOSED",
        what: `the file of credentials "${file}" can be read by other users`,
        why: `its mode is ${octal}, and 600 is required`,
        standing: "Nothing was changed.",
        next: `chmod 600 ${file}`,
      });
    if ((mode & 0o400) === 0)
      throw new LandfallError({
        code: "AWS_CREDENTIALS_MISSING",
        what: `the file of credentials "${file}" cannot be read`,
        why: `its mode is ${octal}, which lets not even its owner read it; the SDK would pass over it in silence`,
        standing: "Nothing was changed.",
        next: `chmod 600 ${file}`,
      });
  }
}

/** The profile's keys, those in the file of settings, and what a login left: tokens, and the keys of roles that were taken on. */
function privateFiles(environment: NodeJS.ProcessEnv): string[] {
  const { settings, keys, folder } = settingsFiles(environment);
  return [
    keys,
    ...(holdsKey(settings) ? [settings] : []),
    ...[join(folder, "sso", "cache"), join(folder, "cli", "cache"), join(folder, "login", "cache")].flatMap(filesIn),
  ];
}

/** Settings without keys are no secret, and the AWS command line itself does not keep them private everywhere. */
function holdsKey(file: string): boolean {
  try {
    return /^\s*aws_(secret_access_key|session_token)\s*=/m.test(readFileSync(file, "utf8"));
  } catch {
    return false;
  }
}

const filesIn = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(".json"))
        .map((name) => join(folder, name))
    : [];
