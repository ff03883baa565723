// A stack while it is built: its constructs, its outputs, the parameters that come from outputs of stacks before it, and its text at the end.
import type { aws_ec2, App as CdkApp, CfnParameter } from "aws-cdk-lib";
import { asciiJson } from "../../../../text/json.ts";
import { cdk } from "./cdk.ts";
import type { Drawn } from "./drawn.ts";
import { type StackId, type StackRole, stackName } from "./names.ts";
import { type OutputPath, outputKey } from "./outputs.ts";
import type { Notes } from "./running.ts";
import { assertTemplateFits } from "./template-limits.ts";

/** One stack's template and what must be known to apply it. */
export interface StackTemplate {
  name: string;
  role: StackRole;
  /** For `role: "service"`: which one. */
  service?: string;
  /**
   * The template: JSON without white space, the same bytes for the same configuration. It is ASCII, because CloudFormation gives back `?` for every
   * other character, and what runs is read from there. Above 51,200 bytes it has to go through a bucket.
   */
  body: string;
  /** Values that are read from the outputs of stacks that stand already. */
  parameters: { name: string; from: { stack: string; output: string } }[];
  /** Names of stacks that must stand before. */
  dependsOn: string[];
  /** Put on the stack, so that CloudFormation puts them on everything in it. */
  tags: Record<string, string>;
}

/** Where the stacks are built: the environment, and what runs in it. */
export interface Site extends Drawn {
  cdkApp: CdkApp;
}

interface Identity<Role extends StackRole> {
  role: Role;
  service?: string;
}

/** The CDK keeps a stack's text to itself, and to what is derived from it. */
class TemplateStack extends cdk.Stack {
  template = () => this.resolve(this._toCloudFormation());
}

export class StackBuilder<Role extends StackRole = StackRole> {
  readonly name: string;
  readonly stack: TemplateStack;
  private readonly site: Site;
  private readonly identity: Identity<Role>;
  private readonly outputs = new Set<string>();
  private readonly parameters = new Map<string, { parameter: CfnParameter; from: StackBuilder }>();

  constructor(site: Site, identity: Identity<Role>) {
    this.site = site;
    this.identity = identity;
    this.name = stackName(site, ...stackIdOf(identity));
    // This synthesizer throws on anything that would have to be uploaded first, and adds nothing of its own to a template.
    this.stack = new TemplateStack(site.cdkApp, this.name, { stackName: this.name, synthesizer: new cdk.BootstraplessSynthesizer() });
    this.stack.templateOptions.description = describe(site, identity);
  }

  /** Makes a value known under this name to the stacks after it, and to whoever looks it up. */
  output(value: string, ...path: OutputPath[Role]): void {
    const key = outputKey(this.identity.service, path);
    this.outputs.add(key);
    new cdk.CfnOutput(this.stack, `Output${key}`, { value }).overrideLogicalId(key);
  }

  /** An output of another stack, as a parameter of this one. */
  parameter<From extends StackRole>(from: StackBuilder<From>, ...path: OutputPath[From]): string {
    return this.declare(from, path, "String").valueAsString;
  }

  /** The same of an output that is a list, divided by commas. */
  parameterList<From extends StackRole>(from: StackBuilder<From>, ...path: OutputPath[From]): string[] {
    return this.declare(from, path, "CommaDelimitedList").valueAsList;
  }

  /** A list that stays as this stack was first given it: it takes it of itself, and gives it. */
  ownList(...path: OutputPath[Role]): string[] {
    const key = outputKey(this.identity.service, path);
    this.outputs.add(key);
    const list = this.declare(this, path, "CommaDelimitedList").valueAsList;
    this.output(cdk.Fn.join(",", list), ...path);
    return list;
  }

  private declare(from: StackBuilder, path: string[], type: string): CfnParameter {
    const output = outputKey(from.identity.service, path);
    const existing = this.parameters.get(output);
    if (existing && existing.from === from) return existing.parameter;
    if (existing || !from.outputs.has(output)) throw new TypeError(`${from.name} has no output "${output}" for ${this.name}`);
    // The ending keeps it apart from this stack's own logical names, which begin with names that users choose.
    const parameter = new cdk.CfnParameter(this.stack, `${output}Parameter`, { type });
    this.parameters.set(output, { parameter, from });
    return parameter;
  }

  /** Notes something in the template itself, so that whoever reads the account's templates knows it. */
  note<Key extends keyof Notes>(key: Key, value: Notes[Key]): void {
    this.stack.templateOptions.metadata = { ...this.stack.templateOptions.metadata, [key]: value };
  }

  /** Errors: AWS_LIMIT. */
  compile(): StackTemplate {
    const { role, service } = this.identity;
    const template = this.stack.template();
    const body = asciiJson(template);
    assertTemplateFits(this.name, template, body);
    return {
      name: this.name,
      role,
      ...(service === undefined ? {} : { service }),
      body,
      parameters: [...this.parameters].map(([output, { from }]) => ({ name: `${output}Parameter`, from: { stack: from.name, output } })),
      dependsOn: [...new Set([...this.parameters.values()].map(({ from }) => from.name))].filter((name) => name !== this.name),
      tags: this.tags(),
    };
  }

  /** What everything of an environment carries; the shared stack belongs to all environments of the app. */
  tags(): Record<string, string> {
    const { role, service } = this.identity;
    return {
      "landfall:app": this.site.app,
      ...(role === "shared" ? {} : { "landfall:environment": this.site.environment }),
      ...(service === undefined ? {} : { "landfall:service": service }),
    };
  }
}

/** What a launch template carries itself: CloudFormation puts a stack's tags on everything in it but these. */
export const templateTags = (builder: StackBuilder): aws_ec2.CfnLaunchTemplate.LaunchTemplateTagSpecificationProperty[] => [
  { resourceType: "launch-template", tags: Object.entries(builder.tags()).map(([key, value]) => ({ key, value })) },
];

function stackIdOf({ role, service }: Identity<StackRole>): StackId {
  if (role !== "service") return [role];
  if (service === undefined) throw new TypeError("a stack of a service, and of none");
  return [role, service];
}

function describe({ app, environment }: Site, { role, service }: Identity<StackRole>): string {
  if (role === "shared") return `${app}: what its environments in this region share. Made by Landfall.`;
  return `${app}, ${environment}: ${service === undefined ? role : `service ${service}`}. Made by Landfall.`;
}
