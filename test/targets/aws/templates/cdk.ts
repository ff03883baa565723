// The CDK itself in the place of what templates are made with. To be put there by `vi.mock` before stacks are imported: the same stacks are
// then drawn as its constructs, checked by its validators, and can be looked at by checkers of constructs.
import * as cdk from "aws-cdk-lib";
import type { IConstruct } from "constructs";

export { cdk };

/** What the CDK remembers of each construct for its own command line takes nearly half of the time. */
const context = {
  "aws:cdk:disable-stack-trace": true,
  "aws:cdk:disable-creation-stack-traces": true,
  "aws:cdk:disable-logicalId-metadata": true,
};

export const makeCdkApp = (outdir?: string): cdk.App =>
  new cdk.App({ outdir, analyticsReporting: false, treeMetadata: false, builtinCloudFormationValidation: false, context });

/** By the checker's names of its rules: those of cdk-nag's pack, if no other. */
export function acknowledge(construct: IConstruct, reasons: Record<string, string>, pack = "AwsSolutions-"): void {
  for (const [rule, reason] of Object.entries(reasons)) cdk.Validations.of(construct).acknowledge({ id: pack + rule, reason });
}
