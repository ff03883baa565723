// The one door to the CDK. It is required, not imported: an ES import evaluates the whole library (300 ms and more), `require`
// leaves each module until its first use. Importing this file is what loading the CDK means; only an aws environment does.
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import type { App } from "aws-cdk-lib";
import type { IConstruct } from "constructs";

export const cdk = createRequire(import.meta.url)("aws-cdk-lib") as typeof import("aws-cdk-lib");

/** What the CDK remembers of each construct for its own command line takes nearly half of the time (measured with 400 services). */
const WITHOUT_TRACES = {
  "aws:cdk:disable-stack-trace": true,
  "aws:cdk:disable-creation-stack-traces": true,
  "aws:cdk:disable-logicalId-metadata": true,
};

/**
 * An app of the CDK that sends nothing home, keeps no tree of metadata and leaves validation to the tests: it costs seconds. `outdir` is
 * where its own `synth` would write, which we never call; it is named because the CDK makes a temporary folder for an app without one.
 */
export const makeCdkApp = (outdir = tmpdir()): App =>
  new cdk.App({ outdir, analyticsReporting: false, treeMetadata: false, builtinCloudFormationValidation: false, context: WITHOUT_TRACES });

/** Says why findings of a template checker are meant to be so, by the checker's names of its rules: those of cdk-nag's pack, if no other. */
export function acknowledge(construct: IConstruct, reasons: Record<string, string>, pack = "AwsSolutions-"): void {
  for (const [rule, reason] of Object.entries(reasons)) cdk.Validations.of(construct).acknowledge({ id: pack + rule, reason });
}
