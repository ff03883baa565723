// A bucket on S3, for what people put in it: it keeps old versions for a while, and stays when its stack goes.
import type { ResourceOf } from "../../../resources/index.ts";
import { addBucket, bucketArn } from "../templates/shared/bucket.ts";
import type { DataPlace } from "../templates/shared/data-place.ts";
import { logicalName } from "../templates/shared/names.ts";
import { allow } from "../templates/shared/policies.ts";
import type { AwsResource } from "./resource.ts";

const OLD_VERSIONS_DAYS = 30;

export const bucket: AwsResource<ResourceOf<"bucket">> = {
  address: "Bucket",
  add: addUploads,
  variables: (_, outputs) => ({ BUCKET: { plain: outputs("Bucket") } }),
  logins: () => [],
  statements: (all) => {
    const buckets = all.map((outputs) => bucketArn(outputs("Bucket")));
    const objects = buckets.map((arn) => `${arn}/*`);
    return [
      allow("Objects", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], objects),
      allow("Buckets", ["s3:ListBucket"], buckets),
    ];
  },
  wildcards: { Objects: "The objects of a bucket are the app's to name." },
};

function addUploads({ builder, network }: DataPlace, name: string): undefined {
  const { bucket: uploads } = addBucket(builder.stack, `${logicalName(name)}Bucket`, {
    versioned: true,
    kept: true,
    lifecycle: [{ id: "old-versions", status: "Enabled", noncurrentVersionExpiration: { noncurrentDays: OLD_VERSIONS_DAYS } }],
    accessLog: { bucket: builder.parameter(network, "LogsBucket"), prefix: `buckets/${name}/` },
  });
  builder.output(uploads.ref, name, "Bucket");
}
