// The part of the CDK that templates are made of, without the CDK, which has 190 MB and starts slowly. Names and types are the CDK's own, so
// the compiler checks every property; the tests draw the same stacks with the CDK itself and compare. A value that only CloudFormation knows
// is a text with its reference between two marks, and `resolve` takes those out again.
import type * as CDK from "aws-cdk-lib";
import type { IConstruct } from "constructs";

/** Unicode's noncharacters: no text that is meant for others holds them. */
const [BEGIN, END] = ["\uFDD0", "\uFDD1"];
const REFERENCE = new RegExp(`${BEGIN}(.*?)${END}`);

const reference = (value: object): string => BEGIN + JSON.stringify(value) + END;
const refTo = (logicalId: string): string => reference({ Ref: logicalId });
/** What CloudFormation computes from values stands alone, never within a text, and so needs no marks. */
const computed = (value: unknown) => value as string & string[];

type Fields = Record<string, unknown>;

/** The value as it stands in a template: without what is undefined, and with references in the place of their marks. */
function resolve(value: unknown): unknown {
  if (typeof value === "string") return resolveText(value);
  if (Array.isArray(value)) return value.filter((item) => item !== undefined).map(resolve);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([key, field]) => [key, resolve(field)]));
}

function resolveText(text: string): unknown {
  if (!text.includes(BEGIN)) return text;
  const parts = text
    .split(REFERENCE)
    .map((part, index) => (index % 2 === 0 ? part : JSON.parse(part)))
    .filter((part) => part !== "");
  return parts.length === 1 ? parts[0] : { "Fn::Join": ["", parts] };
}

/** CloudFormation's names, where they are not the CDK's with a capital letter; after a slash where that holds within one property alone. */
const NAMES: Record<string, string> = {
  dbInstanceClass: "DBInstanceClass",
  dbName: "DBName",
  dbParameterGroupName: "DBParameterGroupName",
  dbSubnetGroupDescription: "DBSubnetGroupDescription",
  dbSubnetGroupName: "DBSubnetGroupName",
  dnsName: "DNSName",
  enableEcsManagedTags: "EnableECSManagedTags",
  multiAz: "MultiAZ",
  multiAzEnabled: "MultiAZEnabled",
  okActions: "OKActions",
  sseAlgorithm: "SSEAlgorithm",
  targetGroupArns: "TargetGroupARNs",
  ttl: "TTL",
  vpcSecurityGroups: "VPCSecurityGroups",
  vpcZoneIdentifier: "VPCZoneIdentifier",
  vpcs: "VPCs",
  "vpcs/vpcId": "VPCId",
  "vpcs/vpcRegion": "VPCRegion",
  webAclArn: "WebACLArn",
};
/** Properties whose value is somebody else's language: its keys stay. */
const VERBATIM = ["assumeRolePolicyDocument", "keyPolicy", "options", "parameters", "policyDocument", "properties", "redrivePolicy"];

/** A property's value with CloudFormation's names, in the order of the alphabet. */
function toCloudFormation(value: unknown, property = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => toCloudFormation(item, property));
  if (typeof value !== "object" || value === null || VERBATIM.includes(property)) return value;
  const named = Object.entries(value).map(([key, field]) => {
    const name = NAMES[`${property}/${key}`] ?? NAMES[key] ?? key.charAt(0).toUpperCase() + key.slice(1);
    return [name, toCloudFormation(field, key)] as const;
  });
  return Object.fromEntries(named.sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** One entry of a template's section, under its logical name. */
abstract class Element {
  logicalId: string;
  abstract readonly section: "Parameters" | "Resources" | "Outputs";

  constructor(stack: Stack, id: string) {
    this.logicalId = id.replace(/[^A-Za-z0-9]/g, "");
    stack.add(this, id);
  }

  get ref(): string {
    return refTo(this.logicalId);
  }

  overrideLogicalId(id: string): void {
    this.logicalId = id;
  }

  abstract render(): unknown;
}

class Parameter extends Element {
  readonly section = "Parameters";
  private readonly type: string;

  constructor(stack: Stack, id: string, { type }: { type: string }) {
    super(stack, id);
    this.type = type;
  }

  get valueAsString(): string {
    return this.ref;
  }

  get valueAsList(): string[] {
    return computed({ Ref: this.logicalId });
  }

  render = () => ({ Type: this.type });
}

class Output extends Element {
  readonly section = "Outputs";
  private readonly value: string;

  constructor(stack: Stack, id: string, { value }: { value: string }) {
    super(stack, id);
    this.value = value;
  }

  render = () => ({ Value: this.value });
}

/** Attributes whose CloudFormation name is not the CDK's without its `attr`. */
const ATTRIBUTES: Record<string, string> = {
  attrCanonicalHostedZoneId: "CanonicalHostedZoneID",
  attrDnsName: "DNSName",
  attrEndpointAddress: "Endpoint.Address",
  attrPrimaryEndPointAddress: "PrimaryEndPoint.Address",
};

class Resource extends Element {
  readonly section = "Resources";
  readonly cfnOptions: { creationPolicy?: object; updatePolicy?: object; metadata?: object } = {};
  private readonly type: string;
  private readonly properties: Fields;
  private readonly dependencies = new Set<Resource>();
  private removalPolicy: string | undefined;

  constructor(stack: Stack, id: string, { type, properties = {} }: { type: string; properties?: Fields }) {
    super(stack, id);
    this.type = type;
    this.properties = properties;
  }

  addResourceDependency(resource: Resource): void {
    this.dependencies.add(resource);
  }

  applyRemovalPolicy(policy: string): void {
    this.removalPolicy = policy;
  }

  attribute(name: string): string {
    return reference({ "Fn::GetAtt": [this.logicalId, ATTRIBUTES[name] ?? name.slice("attr".length)] });
  }

  render() {
    const { creationPolicy, updatePolicy, metadata } = this.cfnOptions;
    return {
      Type: this.type,
      Properties: Object.keys(this.properties).length > 0 ? toCloudFormation(this.properties) : undefined,
      DependsOn: this.dependencies.size > 0 ? [...this.dependencies].map(({ logicalId }) => logicalId).sort() : undefined,
      CreationPolicy: toCloudFormation(creationPolicy),
      UpdatePolicy: toCloudFormation(updatePolicy),
      UpdateReplacePolicy: this.removalPolicy,
      DeletionPolicy: this.removalPolicy,
      Metadata: metadata,
    };
  }
}

/** The CDK has a property for each attribute of each type: here `attrArn` and the like are understood as they are asked for. */
const withAttributes = (resource: Resource): Resource =>
  new Proxy(resource, {
    get: (target, name) =>
      typeof name === "string" && name.startsWith("attr") && !(name in target) ? target.attribute(name) : Reflect.get(target, name, target),
  });

/** The class of a type of resource. */
const resourceClass = (type: string) =>
  class {
    constructor(stack: Stack, id: string, properties?: Fields) {
      // biome-ignore lint/correctness/noConstructorReturn: a class is what the CDK has here, and callers write `new`.
      return withAttributes(new Resource(stack, id, { type, properties }));
    }
  };

class Stack {
  readonly templateOptions: { description?: string; metadata?: object } = {};
  readonly resolve = resolve;
  private readonly elements = new Map<string, Element>();

  add(element: Element, id: string): void {
    if (this.elements.has(id)) throw new TypeError(`two elements "${id}" in one stack`);
    this.elements.set(id, element);
  }

  _toCloudFormation(): Fields {
    const { description, metadata } = this.templateOptions;
    const sections: Record<string, Fields> = {};
    for (const element of this.elements.values()) {
      const section = sections[element.section] ?? {};
      sections[element.section] = section;
      if (element.logicalId in section) throw new TypeError(`two elements of the logical name "${element.logicalId}" in one stack`);
      section[element.logicalId] = element.render();
    }
    return { Description: description, Metadata: metadata, ...sections };
  }
}

/** The packages of the CDK, by CloudFormation's name of their service. */
const SERVICES = {
  aws_applicationautoscaling: "ApplicationAutoScaling",
  aws_autoscaling: "AutoScaling",
  aws_certificatemanager: "CertificateManager",
  aws_cloudwatch: "CloudWatch",
  aws_ec2: "EC2",
  aws_ecr: "ECR",
  aws_ecs: "ECS",
  aws_elasticache: "ElastiCache",
  aws_elasticloadbalancingv2: "ElasticLoadBalancingV2",
  aws_iam: "IAM",
  aws_kms: "KMS",
  aws_logs: "Logs",
  aws_rds: "RDS",
  aws_route53: "Route53",
  aws_s3: "S3",
  aws_scheduler: "Scheduler",
  aws_secretsmanager: "SecretsManager",
  aws_sns: "SNS",
  aws_sqs: "SQS",
  aws_wafv2: "WAFv2",
} as const;

const classesOf = (service: string) => new Proxy({}, { get: (_, name) => resourceClass(`AWS::${service}::${String(name).replace(/^Cfn/, "")}`) });

type Names = keyof typeof SERVICES | "App" | "Aws" | "BootstraplessSynthesizer" | "CfnOutput" | "CfnParameter" | "Fn" | "RemovalPolicy" | "Stack";

const standIn: unknown = {
  ...Object.fromEntries(Object.entries(SERVICES).map(([name, service]) => [name, classesOf(service)])),
  App: class {},
  Aws: {
    ACCOUNT_ID: refTo("AWS::AccountId"),
    PARTITION: refTo("AWS::Partition"),
    REGION: refTo("AWS::Region"),
    STACK_NAME: refTo("AWS::StackName"),
    URL_SUFFIX: refTo("AWS::URLSuffix"),
  },
  BootstraplessSynthesizer: class {},
  CfnOutput: Output,
  CfnParameter: Parameter,
  Fn: {
    base64: (text: string) => computed({ "Fn::Base64": text }),
    join: (separator: string, texts: string[]) => (texts.length === 1 ? texts[0] : computed({ "Fn::Join": [separator, texts] })),
    select: (index: number, list: string[]) => computed({ "Fn::Select": [index, list] }),
  },
  RemovalPolicy: { DESTROY: "Delete", RETAIN: "Retain", SNAPSHOT: "Snapshot" },
  Stack: class extends Stack {},
};

export const cdk = standIn as Pick<typeof CDK, Names>;

/** Where stacks are drawn. It has nothing of its own. */
export const makeCdkApp = (): CDK.App => new cdk.App();

/** Says why findings of a template checker are meant to be so. Nothing of it is in a template: the tests read it, who draw with the CDK. */
export function acknowledge(_construct: IConstruct, _reasons: Record<string, string>, _pack?: string): void {}
