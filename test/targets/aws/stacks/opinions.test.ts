// Three independent opinions on every template of the examples and the generated environments. What one of them finds is mended, or
// acknowledged with its reason beside the construct.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AwsSolutionsChecks } from "cdk-nag";
import type { IConstruct } from "constructs";
import { afterAll, expect, test } from "vitest";
import { cdk, makeCdkApp } from "../../../../src/targets/aws/stacks/cdk.ts";
import { drawStacks } from "../../../../src/targets/aws/stacks/index.ts";
import { requires } from "../../../skips.ts";
import { hasPython, lint } from "./cfn-lint.ts";
import { makeCases } from "./generated.ts";

const folder = mkdtempSync(join(tmpdir(), "landfall-templates-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const drawn = makeCases().map(({ name, app, running }) => {
  const cdkApp = makeCdkApp();
  return { name, cdkApp, stacks: drawStacks({ ...app, running, cdkApp }) };
});

/** Each different template once: a foundation is the same for many. */
const templates = new Map(
  drawn.flatMap(({ name, stacks }) =>
    stacks.map((blueprint) => {
      const { body } = blueprint.compile();
      const file = join(folder, `${createHash("sha256").update(body).digest("hex").slice(0, 16)}.json`);
      writeFileSync(file, body);
      return [file, { name: `${name}: ${blueprint.name}`, stack: blueprint.stack }] as const;
    }),
  ),
);

test("cdk-nag's AwsSolutions pack finds nothing that is not acknowledged", () => {
  const findings = drawn.flatMap(({ name, cdkApp }) =>
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
  const report = new cdk.CloudFormationValidatePlugin().validate({
    templatePaths: [...templates.keys()],
    appConstruct: makeCdkApp(),
    stackTemplates: [...templates.keys()].map((templatePath) => ({
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
  test("finds no error and no warning", () => {
    const findings = lint([...templates.keys()]).map(({ file, text }) => `${templates.get(file)?.name}: ${text}`);
    expect(findings).toEqual([]);
  }, 1_800_000);

  test("finds something in a template that is wrong", () => {
    const file = join(folder, "wrong.json");
    writeFileSync(file, JSON.stringify({ Resources: { Queue: { Type: "AWS::SQS::Queue", Properties: { VisibilityTimeout: 50_000 } } } }));
    expect(lint([file])).toMatchObject([{ file, text: expect.stringContaining("VisibilityTimeout") }]);
  }, 600_000);
});
