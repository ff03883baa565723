// AWS Certificate Manager.
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import type { Inventory, Service } from "./entry/resource-type.ts";
import { anywhere, NOT_YET, tagged, taggedAnew } from "./entry/scope.ts";

const CERTIFICATE: Inventory = {
  removal: "edge",
  arn: /^(arn:[^:]*:acm:.*:certificate\/.+)$/,
  look: async ({ context }, ids) => {
    const acm = await context.clients.acm();
    return each(ids, async (id) => ({ detail: (await acm.describeCertificate({ CertificateArn: id })).Certificate?.DomainName }));
  },
  remove: async ({ context }, id) => (await context.clients.acm()).deleteCertificate({ CertificateArn: id }),
};

export const ACM: Service = {
  types: {
    "AWS::CertificateManager::Certificate": {
      label: "certificate",
      replacedBy: ["SubjectAlternativeNames", "DomainValidationOptions", "DomainName"],
      slow: "a certificate waits until AWS sees the record that proves the name; mostly minutes, up to half an hour",
      permissions: permissions("acm", {
        create: "RequestCertificate AddTagsToCertificate route53:ChangeResourceRecordSets",
        read: "DescribeCertificate ListTagsForCertificate",
        update: "AddTagsToCertificate RemoveTagsFromCertificate UpdateCertificateOptions",
        remove: "DeleteCertificate RemoveTagsFromCertificate",
      }),
      price: "free",
      inventory: CERTIFICATE,
    },
  },
  scopes: {
    acm: {
      all: tagged("acm", "certificate/*"),
      calls: { AddTagsToCertificate: taggedAnew("acm", "certificate/*"), RequestCertificate: anywhere(NOT_YET) },
    },
  },
};
