// Secrets Manager.
import { rowsOf } from "../account/pages.ts";
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each, tagsOf } from "./entry/lookup.ts";
import { monthly } from "./entry/price.ts";
import type { Discovery, Inventory, Service } from "./entry/resource-type.ts";
import { anywhere, arn, type Narrow, NOT_YET, tagged } from "./entry/scope.ts";

const secretsOf = ({ context }: Discovery) => context.clients.secretsManager();

/** Those that wait for their end as well: their names would be taken for weeks. */
const SECRET: Inventory = {
  removal: "security",
  arn: /^(arn:[^:]*:secretsmanager:.+)$/,
  find: async (discovery) => {
    const secretsManager = await secretsOf(discovery);
    const listed = await rowsOf(
      secretsManager.paginateListSecrets({ IncludePlannedDeletion: true, Filters: [{ Key: "tag-value" as const, Values: [discovery.app] }] }),
      (page) => page.SecretList,
    );
    return listed.map(({ ARN: id = "", Tags }) => ({ id, tags: tagsOf(Tags) }));
  },
  look: async (discovery, ids) => {
    const secretsManager = await secretsOf(discovery);
    return each(ids, async (id) => ({ detail: (await secretsManager.describeSecret({ SecretId: id })).Description }));
  },
  remove: async (discovery, id) => (await secretsOf(discovery)).deleteSecret({ SecretId: id, ForceDeleteWithoutRecovery: true }),
};

const untagged: Narrow = (site) => ({ resources: [arn(site, "secretsmanager", "secret:*Login*")], reason: NOT_YET });

export const SECRETS_MANAGER: Service = {
  types: {
    "AWS::SecretsManager::Secret": {
      label: "secret",
      replacedBy: [],
      // A password that the stack has made for something in it, and makes again with it. What the user keeps is in Parameter Store.
      goesAlong: "the password in it goes with it",
      permissions: permissions("secretsmanager", {
        create: "CreateSecret GetRandomPassword TagResource",
        // One that holds a URL is made from the password in another.
        read: "DescribeSecret GetSecretValue",
        update: "UpdateSecret GetRandomPassword TagResource UntagResource",
        remove: "DeleteSecret",
      }),
      price: () => ({ charges: [monthly("secret:month", "secrets")] }),
      inventory: SECRET,
    },
  },
  scopes: {
    secretsmanager: {
      all: tagged("secretsmanager", "secret:*Login*"),
      calls: {
        CreateSecret: untagged,
        TagResource: untagged,
        GetRandomPassword: anywhere("A password that belongs to nothing yet."),
      },
    },
  },
};
