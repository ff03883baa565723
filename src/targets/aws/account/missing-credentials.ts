// Why there are no credentials, from AWS's own settings on this machine: of most that the SDK tried and found wanting it says nothing.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { LandfallError } from "../../../error.ts";
import { quote } from "../../../text/shell.ts";
import { suggest } from "../../../text/suggest.ts";
import { loadSettingsFiles } from "./sdk.ts";

const LOGIN = "log in again, for example with  aws sso login";

type Reason = Pick<LandfallError["parts"], "code" | "what" | "next">;
/** The keys of a section, which never leave this file. */
type Section = Readonly<Record<string, string | undefined>>;

interface Settings {
  profiles: ReadonlyMap<string, Section>;
  sessions: ReadonlyMap<string, Section>;
}

/** The files of settings and keys, which the SDK reads unless it is told others. */
export function settingsFiles(environment: NodeJS.ProcessEnv): { settings: string; keys: string; folder: string } {
  const folder = join(environment.HOME ?? homedir(), ".aws");
  return {
    settings: environment.AWS_CONFIG_FILE ?? join(folder, "config"),
    keys: environment.AWS_SHARED_CREDENTIALS_FILE ?? join(folder, "credentials"),
    folder,
  };
}

/** @param message the SDK's own words */
export async function explainMissing(message: string, environment: NodeJS.ProcessEnv = process.env): Promise<Reason> {
  const settings = await loadSettings(environment);
  const name = environment.AWS_PROFILE || "default";
  const profile = settings.profiles.get(name) ?? {};
  return (
    (environment.AWS_PROFILE ? undefined : halfOfVariables(environment)) ??
    halfOfProfile(name, profile) ??
    unknownSource(name, profile, settings) ??
    unknownSession(name, profile, settings) ??
    withoutLogin(name, profile, message) ??
    withoutToken(environment, profile) ??
    withoutAny(environment.AWS_PROFILE, profile)
  );
}

/**
 * To be called before the SDK looks for credentials: past a profile that is not there it goes on to what the machine gives, and so to an account that
 * nobody has named. Errors: AWS_PROFILE_UNKNOWN.
 */
export async function assertProfileKnown({ AWS_PROFILE: name, ...environment }: NodeJS.ProcessEnv = process.env): Promise<void> {
  if (!name) return;
  const { profiles } = await loadSettings(environment);
  if (profiles.has(name)) return;
  const meant = suggest(name, [...profiles.keys()]);
  throw new LandfallError({
    ...notThere(
      name,
      meant ? `did you mean "${meant}"? AWS_PROFILE names it` : `make it with  aws configure${optionOf(name)} , or set AWS_PROFILE to another`,
    ),
    why: "AWS_PROFILE names it, and no other credentials are taken in its place.",
    standing: "Nothing was changed.",
  });
}

const notThere = (name: string, next: string): Reason => ({
  code: "AWS_PROFILE_UNKNOWN",
  what: `there is no profile "${name}" in AWS's settings`,
  next,
});

const missing = (what: string, next: string): Reason => ({ code: "AWS_CREDENTIALS_MISSING", what, next });

/** How somebody whose login has ended comes to the next one. */
export async function nextLogin(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const name = environment.AWS_PROFILE || "default";
  if (!environment.AWS_PROFILE && environment.AWS_SESSION_TOKEN)
    return "get others, and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to them";
  return loginOf(name, (await loadSettings(environment)).profiles.get(name) ?? {}) ?? LOGIN;
}

const half = (has: string | undefined, lacks: string | undefined): boolean => Boolean(has) && !lacks;

function halfOfVariables({ AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret }: NodeJS.ProcessEnv): Reason | undefined {
  const next = "set both, or neither and AWS_PROFILE";
  if (half(id, secret)) return missing("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not", next);
  if (half(secret, id)) return missing("AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not", next);
  return undefined;
}

function halfOfProfile(name: string, { aws_access_key_id: id, aws_secret_access_key: secret }: Section): Reason | undefined {
  const next = `aws configure${optionOf(name)}`;
  if (half(id, secret)) return missing(`profile "${name}" has aws_access_key_id, and no aws_secret_access_key`, next);
  if (half(secret, id)) return missing(`profile "${name}" has aws_secret_access_key, and no aws_access_key_id`, next);
  return undefined;
}

function unknownSource(name: string, { source_profile: source }: Section, { profiles }: Settings): Reason | undefined {
  if (!source || profiles.has(source)) return undefined;
  return notThere(source, `make it with  aws configure${optionOf(source)} , or change source_profile of "${name}"`);
}

function unknownSession(name: string, { sso_session: session }: Section, { sessions }: Settings): Reason | undefined {
  if (!session || sessions.has(session)) return undefined;
  return missing(`profile "${name}" names the session "${session}", which is not in AWS's settings`, `aws configure sso${optionOf(name)}`);
}

function withoutLogin(name: string, profile: Section, message: string): Reason | undefined {
  const login = loginOf(name, profile);
  if (/expired|Cannot refresh/i.test(message))
    return { code: "AWS_CREDENTIALS_EXPIRED", what: `the login with profile "${name}" has ended`, next: login ?? LOGIN };
  return login && /sso login|session|token/i.test(message) ? missing(`nobody is logged in with profile "${name}"`, login) : undefined;
}

function withoutToken({ AWS_WEB_IDENTITY_TOKEN_FILE: file }: NodeJS.ProcessEnv, profile: Section): Reason | undefined {
  if (!file || existsSync(file) || profile.aws_access_key_id) return undefined;
  return missing(
    `the file "${file}", which AWS_WEB_IDENTITY_TOKEN_FILE names, cannot be read`,
    "let the pipeline give a token, or unset AWS_WEB_IDENTITY_TOKEN_FILE and set AWS_PROFILE",
  );
}

function withoutAny(name: string | undefined, { credential_process: program }: Section): Reason {
  if (program) return missing(`the credential_process of profile "${name ?? "default"}" gave no credentials`, "run it by hand, and see what it says");
  const option = name ? optionOf(name) : "";
  return missing(
    "there are no credentials for AWS",
    `log in with  aws sso login${option}  or  aws configure${option}${name ? "" : " , or set AWS_PROFILE"}`,
  );
}

/** The command that logs in with a profile, where it is one for that. */
function loginOf(name: string, { sso_session, sso_start_url, login_session }: Section): string | undefined {
  if (sso_session || sso_start_url) return `aws sso login${optionOf(name)}`;
  return login_session ? `aws login${optionOf(name)}` : undefined;
}

const optionOf = (profile: string) => (profile === "default" ? "" : ` --profile ${/^[\w@.-]+$/.test(profile) ? profile : quote(profile)}`);

/** As the SDK reads them, which parts `[profile work]` and `[sso-session team]` from each other. */
async function loadSettings(environment: NodeJS.ProcessEnv): Promise<Settings> {
  const { settings, keys } = settingsFiles(environment);
  const { configFile, credentialsFile } = await loadSettingsFiles({ configFilepath: settings, filepath: keys });
  const profiles = new Map<string, Section>();
  const sessions = new Map<string, Section>();
  for (const [name, section] of Object.entries(configFile)) {
    const [, session] = /^sso-session\.(.*)$/.exec(name) ?? [];
    if (session === undefined) profiles.set(name, section);
    else sessions.set(session, section);
  }
  for (const [name, section] of Object.entries(credentialsFile)) profiles.set(name, { ...profiles.get(name), ...section });
  return { profiles, sessions };
}
