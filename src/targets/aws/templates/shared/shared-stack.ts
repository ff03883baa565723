// The stack that all environments of an app in one region share: the bucket of its releases, the registry of its container images, and
// the role of the machines that images are made on.

import { addBucket } from "./bucket.ts";
import { cdk } from "./cdk.ts";
import { addRole, allow, SESSION_MANAGER, sessionManager } from "./policies.ts";
import { type Site, StackBuilder } from "./stack-builder.ts";

const CONTAINER_IMAGES_MAX = 50;
const OWN_PREFIX = "Objects under one prefix of the app's own bucket.";

export function addSharedStack(site: Site): StackBuilder<"shared"> {
  const builder = new StackBuilder(site, { role: "shared" });
  const { stack } = builder;
  const { bucket: artifacts } = addBucket(stack, "Artifacts", {
    lifecycle: [{ id: "reports", status: "Enabled", prefix: "reports/", expirationInDays: 14 }],
    accessLog: { none: "Only Landfall writes here, and instances read what they verify by its digest." },
  });
  const images = new cdk.aws_ecr.CfnRepository(stack, "Images", {
    imageTagMutability: "IMMUTABLE",
    imageScanningConfiguration: { scanOnPush: true },
    encryptionConfiguration: { encryptionType: "AES256" },
    // Container images can be made again from their release, and a registry that is not empty could not be deleted.
    emptyOnDelete: true,
    lifecyclePolicy: { lifecyclePolicyText: keepNewest(CONTAINER_IMAGES_MAX) },
  });
  builder.output(artifacts.ref, "ArtifactsBucket");
  builder.output(images.attrRepositoryUri, "ImagesUri");
  builder.output(images.attrArn, "ImagesArn");
  builder.output(addImageBuilder(builder, artifacts.attrArn), "BuilderProfile");
  return builder;
}

const keepNewest = (count: number) =>
  JSON.stringify({
    rules: [{ rulePriority: 1, selection: { tagStatus: "any", countType: "imageCountMoreThan", countNumber: count }, action: { type: "expire" } }],
  });

/** A builder reads the recipe's files or a release's source, and writes its report and what it built. It lives for minutes, and ends itself by its own clock. */
function addImageBuilder({ stack }: StackBuilder, artifacts: string): string {
  const role = addRole(stack, "Builder", {
    policyName: "builder",
    statements: [
      allow("Recipes", ["s3:GetObject"], `${artifacts}/recipes/*`),
      allow("Releases", ["s3:GetObject", "s3:PutObject"], `${artifacts}/releases/*`),
      allow("Reports", ["s3:PutObject"], `${artifacts}/reports/*`),
      sessionManager(),
    ],
    wildcards: { Recipes: OWN_PREFIX, Releases: OWN_PREFIX, Reports: OWN_PREFIX, SessionManager: SESSION_MANAGER },
  });
  return new cdk.aws_iam.CfnInstanceProfile(stack, "BuilderProfile", { roles: [role.ref] }).ref;
}
