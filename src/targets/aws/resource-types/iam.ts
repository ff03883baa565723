// Identity and Access Management.
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import type { Discovery, Inventory, Service } from "./entry/resource-type.ts";
import { identity } from "./entry/scope.ts";

/** Of an ARN its name, and of a name the same. */
const lastPart = (id: string): string => id.split("/").at(-1) ?? id;

const rolesOf = ({ context }: Discovery) => context.clients.iam();

/**
 * IAM has no regions, and the app may have the same environment's roles in another one: so only those of a stack of this region are
 * looked for, never those that carry the tags.
 */
const INSTANCE_PROFILE: Inventory = {
  removal: "security",
  look: async (discovery, ids) => {
    const iam = await rolesOf(discovery);
    return each(ids, async (id) => ((await iam.getInstanceProfile({ InstanceProfileName: lastPart(id) })).InstanceProfile ? {} : undefined));
  },
  remove: async (discovery, id) => {
    const iam = await rolesOf(discovery);
    const InstanceProfileName = lastPart(id);
    const { InstanceProfile } = await iam.getInstanceProfile({ InstanceProfileName });
    for (const { RoleName } of InstanceProfile?.Roles ?? []) await iam.removeRoleFromInstanceProfile({ InstanceProfileName, RoleName });
    await iam.deleteInstanceProfile({ InstanceProfileName });
  },
};

const ROLE: Inventory = {
  removal: "security",
  look: async (discovery, ids) => {
    const iam = await rolesOf(discovery);
    return each(ids, async (id) => ((await iam.getRole({ RoleName: id })).Role ? {} : undefined));
  },
  remove: async (discovery, id) => {
    const iam = await rolesOf(discovery);
    const { PolicyNames = [] } = await iam.listRolePolicies({ RoleName: id });
    for (const PolicyName of PolicyNames) await iam.deleteRolePolicy({ RoleName: id, PolicyName });
    await iam.deleteRole({ RoleName: id });
  },
};

const SERVICE_ROLES = ["autoscaling", "ecs", "ecs.application-autoscaling", "elasticloadbalancing", "rds", "elasticache"].map(
  (service) => `${service}.amazonaws.com`,
);

/** What takes on roles where services run as containers. */
const ROLE_TAKERS = ["ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"];

export const IAM: Service = {
  types: {
    "AWS::IAM::InstanceProfile": {
      label: "instance profile",
      replacedBy: [],
      permissions: permissions("iam", {
        create: "CreateInstanceProfile AddRoleToInstanceProfile PassRole",
        read: "GetInstanceProfile",
        update: "AddRoleToInstanceProfile RemoveRoleFromInstanceProfile PassRole",
        remove: "RemoveRoleFromInstanceProfile DeleteInstanceProfile",
      }),
      price: "free",
      inventory: INSTANCE_PROFILE,
    },
    "AWS::IAM::Role": {
      label: "role",
      replacedBy: [],
      permissions: permissions("iam", {
        create: "CreateRole PutRolePolicy TagRole",
        read: "GetRole GetRolePolicy ListRolePolicies ListAttachedRolePolicies ListRoleTags",
        update: "UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy PutRolePolicy DeleteRolePolicy TagRole UntagRole",
        remove: "DeleteRolePolicy DeleteRole",
      }),
      price: "free",
      inventory: ROLE,
    },
  },
  scopes: {
    iam: {
      all: identity("role", "instance-profile"),
      narrowReads: true,
      calls: {
        CreateServiceLinkedRole: ({ partition, account }) => ({
          resources: [`arn:${partition}:iam::${account}:role/aws-service-role/*`],
          condition: { StringEquals: { "iam:AWSServiceName": SERVICE_ROLES } },
          reason: "The first use of a service in an account makes the role that the service itself works with.",
        }),
        GetRole: ({ partition, account }) => ({
          resources: [`arn:${partition}:iam::${account}:role/*`],
          reason: "A preflight looks up who acts, whose role has a name of its own.",
        }),
        SimulatePrincipalPolicy: ({ partition, account }) => ({
          resources: ["user", "role"].map((kind) => `arn:${partition}:iam::${account}:${kind}/*`),
          reason: "It is about who acts, whose name is not known here.",
        }),
        PassRole: (site, action) => ({
          ...identity("role")(site, action),
          condition: { StringEquals: { "iam:PassedToService": site.containers ? ["ec2.amazonaws.com", ...ROLE_TAKERS] : "ec2.amazonaws.com" } },
        }),
      },
    },
  },
};
