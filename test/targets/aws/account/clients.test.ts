import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { RegionInfo } from "aws-cdk-lib/region-info";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LandfallError } from "../../../../src/error.ts";
import { assertCredentialsPrivate, explainFailure, makeClients } from "../../../../src/targets/aws/account/clients.ts";
import { REGIONS } from "../../../../src/targets/aws/account/regions.ts";

const failure = (name: string, message: string, more: object = {}) => Object.assign(new Error(message), { name, ...more });
const CALL = { service: "ec2", action: "CreateVpc" };

describe("what goes wrong on the way to AWS", () => {
  it.each([
    ["AWS_REGION_MISSING", failure("Error", "Region is missing")],
    ["AWS_CREDENTIALS_MISSING", failure("CredentialsProviderError", "Could not load credentials from any providers")],
    ["AWS_CREDENTIALS_EXPIRED", failure("ExpiredToken", "The security token included in the request is expired")],
    ["AWS_CREDENTIALS_EXPIRED", failure("CredentialsProviderError", "The SSO session associated with this profile has expired.")],
    ["AWS_CREDENTIALS_REFUSED", failure("InvalidClientTokenId", "The security token included in the request is invalid.")],
    ["AWS_ACCESS_DENIED", failure("UnauthorizedOperation", "You are not authorized to perform this operation.")],
    ["AWS_UNREACHABLE", failure("Error", "getaddrinfo ENOTFOUND sts.amazonaws.com", { code: "ENOTFOUND" })],
    ["AWS_UNREACHABLE", failure("TimeoutError", "Connection timed out after 5000 ms")],
    ["AWS_FAILED", failure("Throttling", "Rate exceeded", { $metadata: { httpStatusCode: 400, attempts: 8 } })],
    ["AWS_FAILED", failure("InternalFailure", "", { $metadata: { httpStatusCode: 500, attempts: 8 } })],
  ])("%s", async (code, error) => {
    expect((await explainFailure(error, CALL, false))?.code).toBe(code);
  });

  it("names the call as a policy does, and says what stands", async () => {
    const denied = failure("UnauthorizedOperation", "You are not authorized to perform this operation.");
    expect((await explainFailure(denied, CALL, false))?.parts).toEqual({
      code: "AWS_ACCESS_DENIED",
      what: 'AWS does not allow "ec2:CreateVpc"',
      why: "You are not authorized to perform this operation.",
      standing: "Nothing was changed.",
      next: "give the person or the pipeline what  landfall iam  prints",
      cause: denied,
    });
    expect((await explainFailure(denied, CALL, true))?.parts.standing).toBe("What AWS had begun goes on; the next run looks at what stands.");
  });

  it("is left alone when it is a service's own", async () => {
    expect(await explainFailure(failure("ValidationError", "Stack [x] does not exist"), CALL, true)).toBeUndefined();
  });
});

describe("credentials and region", () => {
  const kept = { ...process.env };
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "landfall-aws-"));
    for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
    Object.assign(process.env, { HOME: folder, AWS_EC2_METADATA_DISABLED: "true", AWS_MAX_ATTEMPTS: "1" });
  });
  afterEach(() => {
    process.env = { ...kept };
    rmSync(folder, { recursive: true, force: true });
  });
  const ask = async () => (await makeClients({ region: "eu-central-1" }).sts()).getCallerIdentity({});

  it("that are missing are said to be, without a call", async () => {
    await expect(ask()).rejects.toMatchObject({ code: "AWS_CREDENTIALS_MISSING" });
    await expect(
      makeClients({})
        .sts()
        .then((sts) => sts.getCallerIdentity({})),
    ).rejects.toMatchObject({ code: "AWS_REGION_MISSING" });
  });

  it("are of no use when nobody answers", async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_ENDPOINT_URL: "http://127.0.0.1:9" });
    await expect(ask()).rejects.toMatchObject({ code: "AWS_UNREACHABLE", parts: { what: 'AWS did not answer "sts:GetCallerIdentity"' } });
  });

  const put = (path: string, text: string, mode: number) => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
    return file;
  };
  const KEYS = "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n";
  const TOKEN = '{"accessToken":"x"}';
  const partsOf = (environment: NodeJS.ProcessEnv) => {
    try {
      assertCredentialsPrivate({ HOME: folder, ...environment });
    } catch (error) {
      if (error instanceof LandfallError) return error.parts;
      throw error;
    }
    return undefined;
  };

  it.each<[string, string, string]>([
    ["credentials", ".aws/credentials", KEYS],
    ["settings with keys", ".aws/config", KEYS],
    ["the token of a login", ".aws/sso/cache/0f.json", TOKEN],
    ["the keys of a role", ".aws/cli/cache/0f.json", TOKEN],
  ])("%s that others can read are refused, and taken with mode 600 or 400", (_, path, text) => {
    for (const mode of [0o600, 0o400]) {
      put(path, text, mode);
      expect(partsOf({})).toBeUndefined();
    }
    const file = put(path, text, 0o644);
    expect(partsOf({})).toEqual({
      code: "AWS_CREDENTIALS_EXPOSED",
      what: `the file of credentials "${file}" can be read by other users`,
      why: "its mode is 644, and 600 is required",
      standing: "Nothing was changed.",
      next: `chmod 600 ${file}`,
    });
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(file, mode);
      expect(partsOf({})?.code).toBe("AWS_CREDENTIALS_EXPOSED");
    }
    // Keys in variables come before all files.
    expect(partsOf({ AWS_ACCESS_KEY_ID: "AKIA" })).toBeUndefined();
  });

  it("in files of other names are looked at where AWS's own variables say", () => {
    const [elsewhere, settings] = [put("keys", KEYS, 0o644), put("settings", KEYS, 0o644)];
    expect(partsOf({ AWS_SHARED_CREDENTIALS_FILE: elsewhere })?.what).toContain(elsewhere);
    expect(partsOf({ AWS_CONFIG_FILE: settings })?.what).toContain(settings);
    expect(partsOf({ AWS_SHARED_CREDENTIALS_FILE: join(folder, "renamed") })).toBeUndefined();
  });

  it("of settings without keys may be read by everybody", () => {
    put(".aws/config", "[default]\nregion = eu-central-1\nsso_session = team\n", 0o644);
    expect(partsOf({})).toBeUndefined();
  });

  it("in a file that nobody may read are said to be there, and unreadable", () => {
    const file = put(".aws/credentials", KEYS, 0o000);
    expect(partsOf({})).toMatchObject({
      code: "AWS_CREDENTIALS_MISSING",
      what: `the file of credentials "${file}" cannot be read`,
      next: `chmod 600 ${file}`,
    });
  });

  const NONE = "there are no credentials for AWS";
  it.each<[string, string, string]>([
    ["a section of another name", KEYS.replace("[default]", "[EC3]"), NONE],
    ["no section", KEYS.replace("[default]\n", ""), NONE],
    ["a misspelt key", KEYS.replace("aws_access_key_id", "aws_access_id"), 'profile "default" has aws_secret_access_key, and no aws_access_key_id'],
  ])("with %s in their file are missing, and no key is repeated", async (_, text, what) => {
    put(".aws/credentials", text, 0o600);
    const error = await ask().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "AWS_CREDENTIALS_MISSING", parts: { what } });
    expect(JSON.stringify((error as LandfallError).parts)).not.toContain("AKIAIOSFODNN7EXAMPLE");
  });
});

/** AWS, and the metadata service of a machine that has a role, as far as the SDK asks them: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html */
describe("on a machine that has a role", () => {
  const kept = { ...process.env };
  const asked: string[] = [];
  const KEYS = { Code: "Success", AccessKeyId: "ASIAROLE", SecretAccessKey: "x", Token: "x", Expiration: "2100-01-01T00:00:00Z" };
  const ARN = "arn:aws:sts::123456789012:assumed-role/machine/i-1";
  const ANSWERS: Record<string, string> = {
    "PUT /latest/api/token": "token",
    "GET /latest/meta-data/iam/security-credentials/": "machine",
    "GET /latest/meta-data/iam/security-credentials/machine": JSON.stringify(KEYS),
    "POST /": `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>${ARN}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`,
  };
  const server = createServer(({ method, url }, answer) => {
    asked.push(`${method} ${url}`);
    answer.setHeader("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    answer.end(ANSWERS[`${method} ${url}`]);
  });
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "landfall-aws-"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
    Object.assign(process.env, { HOME: folder, AWS_EC2_METADATA_SERVICE_ENDPOINT: address, AWS_ENDPOINT_URL: address, AWS_MAX_ATTEMPTS: "1" });
    asked.length = 0;
  });
  afterEach(async () => {
    process.env = { ...kept };
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });
  const ask = async () => (await makeClients({ region: "eu-central-1" }).sts()).getCallerIdentity({});

  it("it is taken where nothing else is named", async () => {
    expect((await ask()).Arn).toBe(ARN);
    expect(asked).toEqual(Object.keys(ANSWERS));
  });

  it.each([{}, { AWS_ACCESS_KEY_ID: "AKIAOTHER", AWS_SECRET_ACCESS_KEY: "x" }])(
    "a profile that is not there is an error, and never the role, with %o",
    async (keys) => {
      Object.assign(process.env, { AWS_PROFILE: "wrok", ...keys });
      mkdirSync(join(folder, ".aws"));
      writeFileSync(join(folder, ".aws", "config"), "[profile work]\nregion = eu-central-1\n", { mode: 0o600 });
      await expect(ask()).rejects.toMatchObject({
        code: "AWS_PROFILE_UNKNOWN",
        parts: { what: 'there is no profile "wrok" in AWS\'s settings', next: 'did you mean "work"? AWS_PROFILE names it' },
      });
      expect(asked).toEqual([]);
    },
  );
});

describe("credentials that the SDK does not find", () => {
  const kept = { ...process.env };
  let folder: string;
  beforeEach(() => {
    // Each in a folder of its own, since the SDK reads a file once.
    folder = mkdtempSync(join(tmpdir(), "landfall-aws-"));
    for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
    Object.assign(process.env, { HOME: folder, AWS_EC2_METADATA_DISABLED: "true", AWS_MAX_ATTEMPTS: "1" });
  });
  afterEach(() => {
    process.env = { ...kept };
    rmSync(folder, { recursive: true, force: true });
  });

  /** What our errors say, with the SDK's own chain of credentials. */
  async function refusal(variables: NodeJS.ProcessEnv, files: Record<string, string>, region: string | undefined = "eu-central-1") {
    for (const [path, text] of Object.entries(files)) {
      const file = join(folder, ".aws", path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text, { mode: 0o600 });
    }
    Object.assign(process.env, variables);
    const error = await (await makeClients({ region }).sts()).getCallerIdentity({}).catch((caught: unknown) => caught);
    if (!(error instanceof LandfallError)) throw error;
    const { code, what, why = "", next, standing } = error.parts;
    expect(standing).toBe("Nothing was changed.");
    expect(why).not.toBe("");
    return { code, what, next };
  }

  const ID = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n";
  const SECRET = "aws_secret_access_key = x\n";
  const WORK = { AWS_PROFILE: "work" };
  const sha1 = (text: string) => createHash("sha1").update(text).digest("hex");
  const SSO = "sso_account_id = 123456789012\nsso_role_name = Admin\n";
  const START = "sso_start_url = https://x.awsapps.com/start\nsso_region = eu-central-1\n";
  const BY_SESSION = `[profile work]\nsso_session = team\n${SSO}[sso-session team]\n${START}`;
  const BY_URL = `[profile work]\n${SSO}${START}`;
  const USER = "arn:aws:iam::123456789012:user/x";
  const ENDED = { accessToken: "x", expiresAt: "2020-01-01T00:00:00Z" };
  const REFRESHED = { ...ENDED, refreshToken: "r", clientId: "c", clientSecret: "s", registrationExpiresAt: "2020-01-01T00:00:00Z" };

  it.each<[string, { variables?: NodeJS.ProcessEnv; files?: Record<string, string>; region?: string }, { code: string; what: string; next: string }]>(
    [
      [
        "a profile that is not there",
        { variables: { AWS_PROFILE: "wrok" }, files: { credentials: `[work]\n${ID}${SECRET}` } },
        { code: "AWS_PROFILE_UNKNOWN", what: 'there is no profile "wrok" in AWS\'s settings', next: 'did you mean "work"? AWS_PROFILE names it' },
      ],
      [
        "a profile that is not there, whose region is not either",
        { variables: { AWS_PROFILE: "nope" }, region: "" },
        {
          code: "AWS_PROFILE_UNKNOWN",
          what: 'there is no profile "nope" in AWS\'s settings',
          next: "make it with  aws configure --profile nope , or set AWS_PROFILE to another",
        },
      ],
      [
        "a profile whose source is not there",
        { variables: WORK, files: { config: "[profile work]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n" } },
        {
          code: "AWS_PROFILE_UNKNOWN",
          what: 'there is no profile "base" in AWS\'s settings',
          next: 'make it with  aws configure --profile base , or change source_profile of "work"',
        },
      ],
      [
        "half a pair in variables",
        { variables: { AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE" } },
        {
          code: "AWS_CREDENTIALS_MISSING",
          what: "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not",
          next: "set both, or neither and AWS_PROFILE",
        },
      ],
      [
        "the other half",
        { variables: { AWS_SECRET_ACCESS_KEY: "x" } },
        {
          code: "AWS_CREDENTIALS_MISSING",
          what: "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not",
          next: "set both, or neither and AWS_PROFILE",
        },
      ],
      [
        "half a pair in a profile",
        { variables: WORK, files: { credentials: `[work]\n${ID}` } },
        {
          code: "AWS_CREDENTIALS_MISSING",
          what: 'profile "work" has aws_access_key_id, and no aws_secret_access_key',
          next: "aws configure --profile work",
        },
      ],
      [
        "the other half in the one of no name",
        { files: { credentials: `[default]\n${SECRET}` } },
        { code: "AWS_CREDENTIALS_MISSING", what: 'profile "default" has aws_secret_access_key, and no aws_access_key_id', next: "aws configure" },
      ],
      [
        "a profile for which nobody has logged in",
        { variables: WORK, files: { config: BY_SESSION } },
        { code: "AWS_CREDENTIALS_MISSING", what: 'nobody is logged in with profile "work"', next: "aws sso login --profile work" },
      ],
      [
        "one of the older form",
        { variables: WORK, files: { config: BY_URL } },
        { code: "AWS_CREDENTIALS_MISSING", what: 'nobody is logged in with profile "work"', next: "aws sso login --profile work" },
      ],
      [
        "a login that has ended",
        { variables: WORK, files: { config: BY_SESSION, [`sso/cache/${sha1("team")}.json`]: JSON.stringify(ENDED) } },
        { code: "AWS_CREDENTIALS_EXPIRED", what: 'the login with profile "work" has ended', next: "aws sso login --profile work" },
      ],
      [
        "a login that has ended and is not renewed",
        { variables: WORK, files: { config: BY_SESSION, [`sso/cache/${sha1("team")}.json`]: JSON.stringify(REFRESHED) } },
        { code: "AWS_CREDENTIALS_EXPIRED", what: 'the login with profile "work" has ended', next: "aws sso login --profile work" },
      ],
      [
        "a login that has ended, of the older form",
        { variables: WORK, files: { config: BY_URL, [`sso/cache/${sha1("https://x.awsapps.com/start")}.json`]: JSON.stringify(ENDED) } },
        { code: "AWS_CREDENTIALS_EXPIRED", what: 'the login with profile "work" has ended', next: "aws sso login --profile work" },
      ],
      [
        "a login that has ended, of the profile of no name",
        { files: { config: BY_SESSION.replace("profile work", "default"), [`sso/cache/${sha1("team")}.json`]: JSON.stringify(ENDED) } },
        { code: "AWS_CREDENTIALS_EXPIRED", what: 'the login with profile "default" has ended', next: "aws sso login" },
      ],
      [
        "a session that is not there",
        { variables: WORK, files: { config: `[profile work]\nsso_session = team\n${SSO}` } },
        {
          code: "AWS_CREDENTIALS_MISSING",
          what: 'profile "work" names the session "team", which is not in AWS\'s settings',
          next: "aws configure sso --profile work",
        },
      ],
      [
        "a profile for which nobody has logged in at the console",
        { variables: WORK, files: { config: `[profile work]\nlogin_session = ${USER}\n` } },
        { code: "AWS_CREDENTIALS_MISSING", what: 'nobody is logged in with profile "work"', next: "aws login --profile work" },
      ],
      [
        "a program that gives none",
        { variables: WORK, files: { config: "[profile work]\ncredential_process = false\n" } },
        {
          code: "AWS_CREDENTIALS_MISSING",
          what: 'the credential_process of profile "work" gave no credentials',
          next: "run it by hand, and see what it says",
        },
      ],
      [
        "a token that is not there",
        { variables: { AWS_WEB_IDENTITY_TOKEN_FILE: "/none", AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/x" } },
        {
          code: "AWS_CREDENTIALS_MISSING",
          what: 'the file "/none", which AWS_WEB_IDENTITY_TOKEN_FILE names, cannot be read',
          next: "let the pipeline give a token, or unset AWS_WEB_IDENTITY_TOKEN_FILE and set AWS_PROFILE",
        },
      ],
      [
        "a profile without any",
        { variables: WORK, files: { config: "[profile work]\nregion = eu-central-1\n" } },
        {
          code: "AWS_CREDENTIALS_MISSING",
          what: "there are no credentials for AWS",
          next: "log in with  aws sso login --profile work  or  aws configure --profile work",
        },
      ],
      [
        "nothing at all",
        {},
        {
          code: "AWS_CREDENTIALS_MISSING",
          what: "there are no credentials for AWS",
          next: "log in with  aws sso login  or  aws configure , or set AWS_PROFILE",
        },
      ],
    ],
  )("%s", async (_, { variables = {}, files = {}, region }, expected) => {
    expect(await refusal(variables, files, region === "" ? undefined : region)).toEqual(expected);
  });
});

describe("a region", () => {
  const kept = { ...process.env };
  beforeEach(() => void Object.assign(process.env, { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_MAX_ATTEMPTS: "1" }));
  afterEach(() => {
    process.env = { ...kept };
  });
  const WHERE = `It is the environment's key "region", else AWS_REGION, else that of the profile.`;

  // Where there is a region, its address is found: https://docs.aws.amazon.com/general/latest/gr/sts.html
  it.each([
    ["eu-centrall-1", 'did you mean "eu-central-1" or "eu-central-2" or "ca-central-1"?'],
    ["eu central_1", 'did you mean "eu-central-1" or "eu-central-2" or "ca-central-1"?'],
    ["frankfurt-9", "see  aws ec2 describe-regions --region us-east-1 ."],
  ])("that is mistyped as %j is said not to be there", async (region, meant) => {
    const sts = await makeClients({ region }).sts();
    const error = (await sts.getCallerIdentity({}).catch((caught: unknown) => caught)) as LandfallError;
    expect(error.parts).toMatchObject({ code: "AWS_REGION_UNKNOWN", what: `AWS has no region "${region}"`, next: `${meant} ${WHERE}` });
  });

  it("that there is, and that nobody reaches, is not", async () => {
    const unreached = failure("Error", "getaddrinfo EAI_AGAIN sts.eu-central-1.amazonaws.com", { code: "EAI_AGAIN" });
    expect((await explainFailure(unreached, { ...CALL, region: "eu-central-1" }, false))?.code).toBe("AWS_UNREACHABLE");
  });

  it("that is not known is not blamed for an address without it", async () => {
    const unreached = failure("Error", "getaddrinfo ENOTFOUND proxy.example", { code: "ENOTFOUND" });
    expect((await explainFailure(unreached, { ...CALL, region: "eu-centrall-1" }, false))?.code).toBe("AWS_UNREACHABLE");
  });

  it("is known when the CDK, which is renewed with each of them, knows it", () => {
    expect(REGIONS).toEqual(expect.arrayContaining(RegionInfo.regions.map(({ name }) => name)));
  });
});
