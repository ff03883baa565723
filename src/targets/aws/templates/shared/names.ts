// Names of the configuration as CloudFormation and other services take them.
import { createHash } from "node:crypto";
import type { Deployment } from "../../../../config/deployment.ts";

/** What stacks are called after. */
export type EnvironmentNames = Pick<Deployment, "app" | "environment">;

export const STACK_ROLES = ["shared", "network", "alarms", "data", "edge", "service", "routes"] as const;
export type StackRole = (typeof STACK_ROLES)[number];

/** Which stack of an environment; of its services, each has one. */
export type StackId = [role: Exclude<StackRole, "service">] | [role: "service", service: string];

/** What the names of an environment's own stacks begin with; the one that it shares with others is not among them. */
export const stackPrefix = ({ app, environment }: EnvironmentNames): string => `${app}-${environment}-`;

/** Whether a stack of this name could be one of these. */
export const isNamedAfter = (names: EnvironmentNames, stack: string): boolean =>
  stack.startsWith(stackPrefix(names)) || stack === stackName(names, "shared");

/** @example stackName({ app: "shop", environment: "production" }, "service", "web") // "shop-production-service-web" */
export function stackName(names: EnvironmentNames, ...[role, service]: StackId): string {
  if (role === "shared") return `${names.app}-shared`;
  return stackPrefix(names) + (role === "service" ? `service-${service}` : role);
}

/**
 * `read-model` → `ReadModel`. Logical names have letters and digits only, so a name in which a hyphen would be lost without a trace
 * gets some letters of its hash: `x-1` and `x1` stay two.
 */
export function logicalName(name: string): string {
  const words = name.split("-").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  const lossy = /-(?![a-z])/.test(name);
  return words.join("") + (lossy ? createHash("sha256").update(name).digest("hex").slice(0, 6) : "");
}

export const ZONE_LETTERS = ["A", "B", "C"] as const;

/** SSM's path of one secret of an environment. */
export const secretPath = (app: string, environment: string, secret: string) => `/landfall/${app}/${environment}/secrets/${secret}`;

export const logGroupName = ({ app, environment }: EnvironmentNames, service: string) => `/landfall/${app}/${environment}/${service}`;
export const metricNamespace = ({ app, environment }: EnvironmentNames) => `Landfall/${app}/${environment}`;
