// Keys in a configuration are refused, wherever they stand, and never repeated.
import { describe, expect, test } from "vitest";
import { validateText } from "../../src/config/check.ts";
import { LandfallError } from "../../src/error.ts";

// Put together here, so that no scanner of repositories takes this file for a leak.
const ACCESS = ["AKIA", "IOSFODNN7EXAMPLE"].join("");
const SECRET = ["wJalrXUtnFEMI", "K7MDENG", "bPxRfiCYEXAMPLEKEY"].join("/");
const PRIVATE = ["-----BEGIN RSA ", "PRIVATE KEY-----"].join("");
const app = (environment: Record<string, string>) => ({ name: "a", services: { web: { command: "x", environment } } });

function refused(text: string, value: unknown): LandfallError {
  try {
    validateText(text, "/app/landfall.config.ts", value);
  } catch (error) {
    if (error instanceof LandfallError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("refused:", () => {
  test.each<[string, string, string]>([
    ["an access key", `environment: { AWS_ACCESS_KEY_ID: "${ACCESS}" }`, "an access key of AWS"],
    ["a secret key", `environment: { AWS_SECRET_ACCESS_KEY: "${SECRET}" }`, "a secret access key of AWS"],
    ["a secret key in a comment", `// aws_secret_access_key = ${SECRET}`, "a secret access key of AWS"],
    ["a temporary key", `command: "x --key ${ACCESS.replace("AKIA", "ASIA")}"`, "an access key of AWS"],
    ["a private key", `environment: { KEY: \`${PRIVATE}\` }`, "a private key"],
  ])("%s in the text", (_, line, words) => {
    const error = refused(`export default {\n  ${line}\n};\n`, app({}));
    expect(error.parts).toMatchObject({ code: "CONFIG_HOLDS_KEY", what: `"landfall.config.ts" holds ${words}`, where: { line: 2 } });
    for (const key of [ACCESS, SECRET]) expect(JSON.stringify(error.parts)).not.toContain(key);
  });

  test.each<[string, Record<string, string>]>([
    ["AWS_ACCESS_KEY_ID", { AWS_ACCESS_KEY_ID: ACCESS }],
    ["AWS_SECRET_ACCESS_KEY", { AWS_SECRET_ACCESS_KEY: SECRET }],
  ])("%s taken over from the variables of whoever runs the command", (name, environment) => {
    const text = `export default {\n  name: "a",\n  services: { web: { command: "x", environment: {\n    ${name}: process.env.${name},\n  } } },\n};\n`;
    const error = refused(text, app(environment));
    expect(error.parts).toMatchObject({ code: "CONFIG_HOLDS_KEY", where: { file: "/app/landfall.config.ts", line: 4 } });
  });

  test("whole", () => {
    const { parts } = refused(`export default { key: "${ACCESS}" };`, app({}));
    expect(parts).toEqual({
      code: "CONFIG_HOLDS_KEY",
      what: '"landfall.config.ts" holds an access key of AWS',
      where: { file: "/app/landfall.config.ts", line: 1, column: 24 },
      why: "The file is committed with the app, and whoever reads it has the key. Landfall takes credentials as the AWS command line does, and instances have a role of their own.",
      standing: "Nothing was changed.",
      next: "take it out, replace the key by a new one where it was made, then run  landfall check",
    });
  });
});

describe("taken:", () => {
  test.each<[string, Record<string, string>]>([
    ["keys that no AWS gave", { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" }],
    ["a word that begins like one", { NAME: "AKIABLE" }],
    ["a hash of forty characters", { COMMIT: "0123456789abcdef0123456789abcdef01234567" }],
  ])("%s", (_, environment) => {
    const value = app(environment);
    expect(validateText(`export default ${JSON.stringify(value)};`, "landfall.config.ts", value).name).toBe("a");
  });
});
