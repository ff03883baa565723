import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LandfallError } from "../../../src/error.ts";
import { explainFailure, makeClients, refuseExposedCredentials } from "../../../src/targets/aws/clients.ts";

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

  it("that others can read are refused", () => {
    const file = join(folder, "credentials");
    writeFileSync(file, "[default]\n", { mode: 0o600 });
    const environment = { AWS_SHARED_CREDENTIALS_FILE: file };
    refuseExposedCredentials(environment);
    chmodSync(file, 0o644);
    expect(() => refuseExposedCredentials(environment)).toThrow(LandfallError);
    expect(() => refuseExposedCredentials(environment)).toThrow(`the file of credentials "${file}" can be read by other users`);
    refuseExposedCredentials({ ...environment, AWS_ACCESS_KEY_ID: "AKIA" });
    expect(codeOf(() => refuseExposedCredentials(environment))).toBe("AWS_CREDENTIALS_EXPOSED");
  });
});

function codeOf(act: () => void): string | undefined {
  try {
    act();
  } catch (error) {
    return error instanceof LandfallError ? error.code : undefined;
  }
  return undefined;
}
