// Three independent opinions on every template of the examples and the generated environments. What one of them finds is mended, or
// acknowledged with its reason beside the construct.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AwsSolutionsChecks } from "cdk-nag";
import type { IConstruct } from "constructs";
import { afterAll, expect, test, vi } from "vitest";
import { requires } from "../../../skips.ts";
import { cdk, makeCdkApp } from "./cdk.ts";
import { hasPython, lint } from "./cfn-lint.ts";
import { makeCases } from "./generated.ts";

vi.doMock("../../../../src/targets/aws/templates/shared/cdk.ts", () => import("./cdk.ts"));
const { buildStacks } = await import("../../../../src/targets/aws/templates/index.ts");

const folder = mkdtempSync(join(tmpdir(), "landfall-templates-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const built = makeCases().map(({ name, deployment, running }) => {
  const cdkApp = makeCdkApp();
  return { name, cdkApp, stacks: buildStacks({ ...deployment, running, cdkApp }) };
});

/** Each different template once: a shared stack is the same for many. */
const templates = new Map(
  built.flatMap(({ name, stacks }) =>
    stacks.map((builder) => {
      const { body } = builder.compile();
      const file = join(folder, `${createHash("sha256").update(body).digest("hex").slice(0, 16)}.json`);
      // cfn-lint reads YAML, which has no pairs of escapes for what is beyond U+FFFF; JSON (ECMA-404) has, and here the characters stand as they are.
      writeFileSync(file, JSON.stringify(JSON.parse(body)));
      return [file, { name: `${name}: ${builder.name}`, stack: builder.stack, parts: partsOf(body) }] as const;
    }),
  ),
);

/** The resources, parameters and outputs of a template, each with its name. */
function partsOf(body: string): string[] {
  return Object.entries(JSON.parse(body) as Record<string, Record<string, unknown>>)
    .filter(([section]) => ["Resources", "Parameters", "Outputs"].includes(section))
    .flatMap(([section, parts]) => Object.entries(parts).map((part) => JSON.stringify([section, part])));
}

/**
 * Some of them, in which every part of any of them stands: what checkers look at takes them as long as there are parts, and the same one is in many.
 * That a template has all that its parts refer to is asked of each in templates.test.ts.
 */
function chosen(): string[] {
  const left = new Set([...templates.values()].flatMap(({ parts }) => parts));
  const files: string[] = [];
  const byLength = [...templates].sort(([, one], [, other]) => other.parts.length - one.parts.length);
  for (const [file, { parts }] of byLength) if (parts.filter((part) => left.delete(part)).length > 0) files.push(file);
  return files;
}

test("cdk-nag's AwsSolutions pack finds nothing that is not acknowledged", () => {
  const findings = built.flatMap(({ name, cdkApp }) =>
    new AwsSolutionsChecks(cdkApp)
      .validateScope(cdkApp)
      .violations.flatMap(({ ruleName, violatingResources }) =>
        violatingResources.map(({ constructPath }) => `${name}: ${ruleName} ${constructPath}`),
      ),
  );
  expect(findings).toEqual([]);
});

test("the same pack finds something when a reason is taken away", () => {
  const cdkApp = makeCdkApp();
  const stack = new cdk.Stack(cdkApp, "Stack", { synthesizer: new cdk.BootstraplessSynthesizer() });
  new cdk.aws_sqs.CfnQueue(stack, "Queue");
  expect(new AwsSolutionsChecks(cdkApp).validateScope(cdkApp).violations.map(({ ruleName }) => ruleName)).toContain("AwsSolutions-SQS4");
});

test("the CDK's own validator finds nothing that is not acknowledged", () => {
  const files = chosen();
  const report = new cdk.CloudFormationValidatePlugin().validate({
    templatePaths: files,
    appConstruct: makeCdkApp(),
    stackTemplates: files.map((templatePath) => ({
      stackConstructPath: templatePath,
      templatePath,
      accountId: "123456789012",
      region: "eu-central-1",
    })),
  });
  const findings = report.violations.flatMap(({ ruleName, description, violatingResources }) =>
    violatingResources
      .filter(({ templatePath = "", resourceLogicalId = "" }) => !acknowledged(templates.get(templatePath)?.stack, resourceLogicalId, ruleName))
      .map(({ templatePath = "", resourceLogicalId }) => `${templates.get(templatePath)?.name}: ${resourceLogicalId} ${ruleName} ${description}`),
  );
  expect(findings).toEqual([]);
}, 600_000);

function acknowledged(stack: IConstruct | undefined, logicalId: string, rule: string): boolean {
  const construct = stack?.node.tryFindChild(logicalId);
  const rules = construct?.node.metadata.filter(({ type }) => type === cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY) ?? [];
  return rules.some(({ data }) => Object.keys(data as object).some((id) => id.replace(/^.*::/, "") === rule));
}

requires("python3 with the module venv", hasPython())("cfn-lint", () => {
  test("finds no error and no warning, but in a template that is wrong", async () => {
    const wrong = join(folder, "wrong.json");
    writeFileSync(wrong, JSON.stringify({ Resources: { Queue: { Type: "AWS::SQS::Queue", Properties: { VisibilityTimeout: 50_000 } } } }));
    const findings = await lint([...chosen(), wrong]);
    expect(findings.filter(({ file }) => file === wrong)).toMatchObject([{ text: expect.stringContaining("VisibilityTimeout") }]);
    expect(findings.filter(({ file }) => file !== wrong).map(({ file, text }) => `${templates.get(file)?.name}: ${text}`)).toEqual([]);
  }, 1_800_000);
});
