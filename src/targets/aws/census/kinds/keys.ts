// Keys, secrets, settings, roles, and the registry.

import { pages } from "../../pages.ts";
import type { Kind, Survey } from "../thing.ts";
import { each, tagsOf } from "./look.ts";

/** AWS lets no key go at once. */
const KEY_WINDOW_DAYS = 7;

const KEY: Kind = {
  name: "encryption key",
  arn: /:kms:[^:]*:\d*:key\/(.+)$/,
  find: async ({ known }) => [...known.values()].filter(({ type }) => type === "AWS::KMS::Key").map(({ id }) => ({ id, parents: [id] })),
  look: async ({ context }, ids) => {
    const kms = await context.clients.kms();
    return each(ids, async (id) => {
      const { KeyMetadata: key } = await kms.describeKey({ KeyId: id });
      return { detail: key?.Description, ...(key?.DeletionDate ? { until: key.DeletionDate.getTime() } : {}) };
    });
  },
  remove: async ({ context }, id) => (await context.clients.kms()).scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: KEY_WINDOW_DAYS }),
};

const secretsOf = ({ context }: Survey) => context.clients.secretsManager();

/** Those that wait for their end as well: their names would be taken for weeks. */
const SECRET: Kind = {
  name: "secret",
  arn: /^(arn:[^:]*:secretsmanager:.+)$/,
  type: "AWS::SecretsManager::Secret",
  find: async (survey) => {
    const secretsManager = await secretsOf(survey);
    const listed = await pages(async (NextToken) => {
      const Filters = [{ Key: "tag-value" as const, Values: [survey.app] }];
      const page = await secretsManager.listSecrets({ IncludePlannedDeletion: true, Filters, NextToken });
      return { list: page.SecretList, next: page.NextToken };
    });
    return listed.map(({ ARN: id = "", Tags }) => ({ id, tags: tagsOf(Tags) }));
  },
  look: async (survey, ids) => {
    const secretsManager = await secretsOf(survey);
    return each(ids, async (id) => ({ detail: (await secretsManager.describeSecret({ SecretId: id })).Description }));
  },
  remove: async (survey, id) => (await secretsOf(survey)).deleteSecret({ SecretId: id, ForceDeleteWithoutRecovery: true }),
};

/** The app's own secrets: `landfall secrets` keeps them under the environment's path. */
export const PARAMETER: Kind = {
  name: "parameter",
  arn: /:ssm:[^:]*:\d*:parameter(\/.+)$/,
  keeps: "with the data",
  cost: "costs nothing",
  find: async (survey) => {
    const ssm = await survey.context.clients.ssm();
    const path = `/landfall/${survey.app}/${survey.environment}`;
    const parameters = await pages(async (NextToken) => {
      const page = await ssm.describeParameters({ ParameterFilters: [{ Key: "Path", Option: "Recursive", Values: [path] }], NextToken });
      return { list: page.Parameters, next: page.NextToken };
    });
    return parameters.map(({ Name: id = "" }) => ({ id, of: "environment" as const }));
  },
  look: async ({ context }, ids) => {
    const ssm = await context.clients.ssm();
    return each(ids, async (id) => {
      const { Parameters = [] } = await ssm.describeParameters({ ParameterFilters: [{ Key: "Name", Option: "Equals", Values: [id] }] });
      return Parameters.length > 0 ? {} : undefined;
    });
  },
  remove: async ({ context }, id) => (await context.clients.ssm()).deleteParameter({ Name: id }),
};

const REGISTRY: Kind = {
  name: "registry",
  arn: /:ecr:[^:]*:\d*:repository\/(.+)$/,
  type: "AWS::ECR::Repository",
  look: async ({ context }, ids) => {
    const ecr = await context.clients.ecr();
    return each(ids, async (id) => ((await ecr.describeRepositories({ repositoryNames: [id] })).repositories?.[0] ? {} : undefined));
  },
  remove: async ({ context }, id) => (await context.clients.ecr()).deleteRepository({ repositoryName: id, force: true }),
};

/** Of an ARN its name, and of a name the same. */
const lastPart = (id: string): string => id.split("/").at(-1) ?? id;

const rolesOf = ({ context }: Survey) => context.clients.iam();

/**
 * IAM has no regions, and the app may have the same environment's roles in another one: so only those of a stack of this region are
 * looked for, never those that carry the tags.
 */
const PROFILE: Kind = {
  name: "instance profile",
  type: "AWS::IAM::InstanceProfile",
  look: async (survey, ids) => {
    const iam = await rolesOf(survey);
    return each(ids, async (id) => ((await iam.getInstanceProfile({ InstanceProfileName: lastPart(id) })).InstanceProfile ? {} : undefined));
  },
  remove: async (survey, id) => {
    const iam = await rolesOf(survey);
    const InstanceProfileName = lastPart(id);
    const { InstanceProfile } = await iam.getInstanceProfile({ InstanceProfileName });
    for (const { RoleName } of InstanceProfile?.Roles ?? []) await iam.removeRoleFromInstanceProfile({ InstanceProfileName, RoleName });
    await iam.deleteInstanceProfile({ InstanceProfileName });
  },
};

const ROLE: Kind = {
  name: "role",
  type: "AWS::IAM::Role",
  look: async (survey, ids) => {
    const iam = await rolesOf(survey);
    return each(ids, async (id) => ((await iam.getRole({ RoleName: id })).Role ? {} : undefined));
  },
  remove: async (survey, id) => {
    const iam = await rolesOf(survey);
    const { PolicyNames = [] } = await iam.listRolePolicies({ RoleName: id });
    for (const PolicyName of PolicyNames) await iam.deleteRolePolicy({ RoleName: id, PolicyName });
    await iam.deleteRole({ RoleName: id });
  },
};

export const KEYS: readonly Kind[] = [KEY, SECRET, PARAMETER, REGISTRY, PROFILE, ROLE];
