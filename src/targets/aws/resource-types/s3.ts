// Simple Storage Service.
import type { Context } from "../context.ts";
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import { byUse } from "./entry/price.ts";
import type { Inventory, Service } from "./entry/resource-type.ts";
import { prefixes } from "./entry/scope.ts";

/** Every version of every object in it. A bucket that is gone meanwhile is empty. */
async function emptyBucket({ clients }: Pick<Context, "clients">, bucket: string): Promise<void> {
  const s3 = await clients.s3();
  try {
    for (;;) {
      // The first page again each time: what was on it is gone.
      const page = await s3.listObjectVersions({ Bucket: bucket, MaxKeys: 1000 });
      const Objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({ Key, VersionId }));
      if (Objects.length === 0) return;
      const { Errors = [] } = await s3.deleteObjects({ Bucket: bucket, Delete: { Objects, Quiet: true } });
      if (Errors.length > 0) throw Object.assign(new Error(Errors[0]?.Message), { name: Errors[0]?.Code });
    }
  } catch (error) {
    if (!(error instanceof Error && error.name === "NoSuchBucket")) throw error;
  }
}

const BUCKET: Inventory = {
  removal: "data",
  arn: /:s3:::(.+)$/,
  keeps: "with the data",
  cost: "its storage is paid by the GB and month",
  look: async ({ context }, ids) => {
    const s3 = await context.clients.s3();
    return each(ids, async (id) => {
      await s3.headBucket({ Bucket: id });
      return {};
    });
  },
  remove: async ({ context }, id) => {
    await emptyBucket(context, id);
    await (await context.clients.s3()).deleteBucket({ Bucket: id });
  },
};

export const S3: Service = {
  types: {
    "AWS::S3::Bucket": {
      label: "bucket",
      replacedBy: [],
      holdsData: true,
      unblock: (context, { id }) => emptyBucket(context, id),
      permissions: permissions("s3", {
        create:
          "CreateBucket PutBucketTagging TagResource PutEncryptionConfiguration PutLifecycleConfiguration PutBucketPublicAccessBlock PutBucketLogging PutBucketVersioning PutBucketOwnershipControls",
        read: "GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl GetBucketCORS GetBucketMetadataTableConfiguration GetBucketNotification GetBucketObjectLockConfiguration GetBucketWebsite GetIntelligentTieringConfiguration GetInventoryConfiguration GetMetricsConfiguration GetReplicationConfiguration GetEncryptionConfiguration GetLifecycleConfiguration GetBucketPublicAccessBlock GetBucketLogging GetBucketVersioning GetBucketOwnershipControls GetBucketTagging ListTagsForResource ListBucket",
        update:
          "PutBucketTagging TagResource UntagResource PutEncryptionConfiguration PutLifecycleConfiguration PutBucketPublicAccessBlock PutBucketLogging PutBucketVersioning PutBucketOwnershipControls",
        remove: "DeleteBucket",
      }),
      price: byUse(
        { key: "bucket:GB", what: "bucket storage", unit: "GB and month" },
        { key: "bucket:1000 writes", what: "write requests to buckets", unit: "thousand" },
      ),
      inventory: BUCKET,
    },
    "AWS::S3::BucketPolicy": {
      label: "bucket policy",
      replacedBy: ["Bucket"],
      permissions: permissions("s3", {
        create: "PutBucketPolicy",
        read: "GetBucketPolicy",
        update: "PutBucketPolicy",
        remove: "DeleteBucketPolicy",
      }),
      price: "free",
      inventory: { partOf: "AWS::S3::Bucket" },
    },
  },
  scopes: {
    s3: {
      all: (site) => ({
        resources: prefixes(site).flatMap((prefix) => [`arn:${site.partition}:s3:::${prefix}*`, `arn:${site.partition}:s3:::${prefix}*/*`]),
      }),
      narrowReads: true,
    },
  },
};
