import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LandfallError } from "../../../../src/error.ts";
import { assertCredentialsPrivate, explainFailure, makeClients } from "../../../../src/targets/aws/account/clients.ts";

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
  ])("%s", (code, error) => {
    expect(explainFailure(error, CALL, false)?.code).toBe(code);
  });

  it("names the call as a policy does, and says what stands", () => {
    const denied = failure("UnauthorizedOperation", "You are not authorized to perform this operation.");
    expect(explainFailure(denied, CALL, false)?.parts).toEqual({
      code: "AWS_ACCESS_DENIED",
      what: 'AWS does not allow "ec2:CreateVpc"',
      why: "You are not authorized to perform this operation.",
      standing: "Nothing was changed.",
      next: "give the person or the pipeline what  landfall iam  prints",
      cause: denied,
    });
    expect(explainFailure(denied, CALL, true)?.parts.standing).toBe("What AWS had begun goes on; the next run looks at what stands.");
  });

  it("is left alone when it is a service's own", () => {
    expect(explainFailure(failure("ValidationError", "Stack [x] does not exist"), CALL, true)).toBeUndefined();
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

  it.each<[string, string]>([
    ["a section of another name", KEYS.replace("[default]", "[EC3]")],
    ["no section", KEYS.replace("[default]\n", "")],
    ["a misspelt key", KEYS.replace("aws_access_key_id", "aws_access_id")],
  ])("with %s in their file are missing, and no key is repeated", async (_, text) => {
    put(".aws/credentials", text, 0o600);
    const error = await ask().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "AWS_CREDENTIALS_MISSING", parts: { what: "there are no credentials for AWS" } });
    expect(JSON.stringify((error as LandfallError).parts)).not.toContain("AKIAIOSFODNN7EXAMPLE");
  });
});
