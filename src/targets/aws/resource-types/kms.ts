// Key Management Service.
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import { monthly } from "./entry/price.ts";
import type { Inventory, Service } from "./entry/resource-type.ts";
import { anywhere, arn, BY_CLOUDFORMATION, NOT_YET, tagged, taggedAnew } from "./entry/scope.ts";

/** AWS lets no key go at once. */
const KEY_WINDOW_DAYS = 7;

const KEY: Inventory = {
  removal: "security",
  arn: /:kms:[^:]*:\d*:key\/(.+)$/,
  find: async ({ stackResources }) =>
    [...stackResources.values()].filter(({ type }) => type === "AWS::KMS::Key").map(({ id }) => ({ id, parents: [id] })),
  look: async ({ context }, ids) => {
    const kms = await context.clients.kms();
    return each(ids, async (id) => {
      const { KeyMetadata: key } = await kms.describeKey({ KeyId: id });
      return { detail: key?.Description, ...(key?.DeletionDate ? { until: key.DeletionDate.getTime() } : {}) };
    });
  },
  remove: async ({ context }, id) => (await context.clients.kms()).scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: KEY_WINDOW_DAYS }),
};

export const KMS: Service = {
  types: {
    "AWS::KMS::Key": {
      label: "KMS key",
      replacedBy: [],
      permissions: permissions("kms", {
        create: "CreateKey PutKeyPolicy EnableKeyRotation TagResource",
        read: "DescribeKey GetKeyPolicy GetKeyRotationStatus ListResourceTags",
        update: "PutKeyPolicy UpdateKeyDescription EnableKeyRotation TagResource UntagResource",
        remove: "ScheduleKeyDeletion",
      }),
      price: () => ({ charges: [monthly("key:month", "KMS key", { assumption: "one more for each of the first two yearly rotations" })] }),
      inventory: KEY,
    },
  },
  scopes: {
    kms: {
      all: tagged("kms", "key/*"),
      calls: {
        CreateKey: anywhere(NOT_YET),
        CreateGrant: (site) => ({
          resources: [arn(site, "kms", "key/*")],
          condition: { Bool: { "kms:GrantIsForAWSResource": "true" } },
          reason: "Databases are encrypted with the account's own key of RDS, which has no tags of ours.",
        }),
        DescribeKey: anywhere("Among others it is asked for the account's own key of RDS, which has no tags of ours."),
        EnableKeyRotation: (site) => ({
          resources: [arn(site, "kms", "key/*")],
          condition: BY_CLOUDFORMATION,
          reason: "The tags of a key count after minutes only, and this is called as soon as it is made.",
        }),
        TagResource: taggedAnew("kms", "key/*"),
      },
    },
  },
};
