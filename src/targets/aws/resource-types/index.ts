// Every type of resource that the templates have, and every kind that an environment can leave in an account. A service is added by its file and
// a line here.
import { ACM } from "./acm.ts";
import { AUTO_SCALING } from "./auto-scaling.ts";
import { CLOUDWATCH } from "./cloudwatch.ts";
import { EC2 } from "./ec2.ts";
import { ECR } from "./ecr.ts";
import { ELASTIC_CONTAINER_SERVICE } from "./ecs.ts";
import { ELASTICACHE } from "./elasticache.ts";
import { ELB } from "./elb.ts";
import { REMOVAL_ORDER, type ResourceKind, type ResourceType, type ResourceTypes, type Service } from "./entry/resource-type.ts";
import type { ServiceScopes } from "./entry/scope.ts";
import { IAM } from "./iam.ts";
import { KMS } from "./kms.ts";
import { LOGS } from "./logs.ts";
import { RDS } from "./rds.ts";
import { ROUTE53 } from "./route53.ts";
import { S3 } from "./s3.ts";
import { SCHEDULER } from "./scheduler.ts";
import { SECRETS_MANAGER } from "./secrets-manager.ts";
import { SNS } from "./sns.ts";
import { SQS } from "./sqs.ts";
import { SYSTEMS_MANAGER } from "./systems-manager.ts";
import { VPC } from "./vpc.ts";
import { WAF } from "./waf.ts";

/** A certificate goes after the balancer that shows it, and a record before what it leads to. */
const SERVICES: readonly Service[] = [
  AUTO_SCALING,
  EC2,
  ELASTIC_CONTAINER_SERVICE,
  ECR,
  ELB,
  ACM,
  WAF,
  ROUTE53,
  RDS,
  ELASTICACHE,
  SQS,
  S3,
  CLOUDWATCH,
  SNS,
  LOGS,
  SCHEDULER,
  KMS,
  SECRETS_MANAGER,
  SYSTEMS_MANAGER,
  IAM,
  VPC,
];

export const RESOURCE_TYPES: ResourceTypes = Object.fromEntries(SERVICES.flatMap(({ types }) => Object.entries(types)));

/** By the service's name in policies. */
export const SCOPES: Readonly<Record<string, ServiceScopes>> = Object.fromEntries(SERVICES.flatMap(({ scopes = {} }) => Object.entries(scopes)));

const kindsOf = ([type, { label, inventory }]: [string, ResourceType]): ResourceKind[] =>
  "look" in inventory ? [{ ...inventory, name: label, type }] : [];

/** In the order in which they can be removed. */
export const RESOURCE_KINDS: readonly ResourceKind[] = REMOVAL_ORDER.flatMap((removal) =>
  SERVICES.flatMap(({ types, beside = [] }) => [...Object.entries(types).flatMap(kindsOf), ...beside]).filter((kind) => kind.removal === removal),
);

/** Of a type that can be left in an account. */
export function kindOfType(type: string): ResourceKind {
  const kind = RESOURCE_KINDS.find((kind) => kind.type === type);
  if (!kind) throw new TypeError(`nothing looks for what is left of ${type}`);
  return kind;
}

/** As AWS's console calls it; of a type that has no entry, CloudFormation's own name. */
export const labelOf = (type: string): string => RESOURCE_TYPES[type]?.label ?? type;

/** Whether something would be lost with it. Of a type that has no entry it is not known, so it is assumed. */
export const holdsData = (type: string): boolean => RESOURCE_TYPES[type]?.holdsData ?? !RESOURCE_TYPES[type];

/** What a change of one top-level property does to a resource. */
export function outcomeOf(type: string, property: string): "change" | "replace" | "mayReplace" {
  const entry = RESOURCE_TYPES[type];
  if (!entry || entry.mayBeReplacedBy?.includes(property)) return "mayReplace";
  return entry.replacedBy.includes(property) ? "replace" : "change";
}
