// A stack while it is drawn: what it takes from the stacks before it, what it gives to those after it, and its text at the end.
import type { App as CdkApp, CfnParameter, Stack } from "aws-cdk-lib";
import type { EnvironmentApp } from "../../../config/app.ts";
import { cdk } from "./cdk.ts";
import { refuseTooLarge } from "./limits.ts";
import type { Running } from "./running.ts";

export type StackRole = "foundation" | "network" | "alarms" | "data" | "edge" | "service" | "routes";

/** One stack's template and what must be known to apply it. */
export interface StackTemplate {
  name: string;
  role: StackRole;
  /** For `role: "service"`: which one. */
  service?: string;
  /** The template: JSON without white space, the same bytes for the same configuration. Above 51,200 bytes it has to go through a bucket. */
  body: string;
  /** Values that are read from the outputs of stacks that stand already. */
  parameters: { name: string; from: { stack: string; output: string } }[];
  /** Names of stacks that must stand before. */
  dependsOn: string[];
  /** Put on the stack, so that CloudFormation puts them on everything in it. */
  tags: Record<string, string>;
}

/** Where the stacks are drawn: the environment, and what runs in it. */
export interface Site extends EnvironmentApp {
  cdkApp: CdkApp;
  running: Running;
}

interface Identity {
  role: StackRole;
  service?: string;
  /** The release that serves, for stacks that change with each. */
  release?: string;
}

export class Blueprint {
  readonly name: string;
  readonly stack: Stack;
  private readonly site: Site;
  private readonly identity: Identity;
  private readonly given = new Set<string>();
  private readonly taken = new Map<string, { parameter: CfnParameter; from: Blueprint }>();

  constructor(site: Site, identity: Identity) {
    this.site = site;
    this.identity = identity;
    this.name = stackName(site, identity);
    // This synthesizer throws on anything that would have to be uploaded first, and adds nothing of its own to a template.
    this.stack = new cdk.Stack(site.cdkApp, this.name, { stackName: this.name, synthesizer: new cdk.BootstraplessSynthesizer() });
    this.stack.templateOptions.description = describe(site, identity);
  }

  /** Makes a value of this stack known to those that are drawn after it. */
  give(output: string, value: string): void {
    this.given.add(output);
    new cdk.CfnOutput(this.stack, `Output${output}`, { value }).overrideLogicalId(output);
  }

  /** A value that another stack gives, as a parameter of this one. */
  take(from: Blueprint, output: string, type = "String"): CfnParameter {
    const known = this.taken.get(output);
    if (known && known.from === from) return known.parameter;
    if (known || !from.given.has(output)) throw new TypeError(`${this.name} cannot take "${output}" from ${from.name}`);
    // The ending keeps it apart from this stack's own logical names, which begin with names that users choose.
    const parameter = new cdk.CfnParameter(this.stack, `${output}Parameter`, { type });
    this.taken.set(output, { parameter, from });
    return parameter;
  }

  /** Notes something in the template itself, so that whoever reads the account's templates knows it. */
  note(key: string, value: unknown): void {
    this.stack.templateOptions.metadata = { ...this.stack.templateOptions.metadata, [key]: value };
  }

  takeText = (from: Blueprint, output: string): string => this.take(from, output).valueAsString;

  takeList = (from: Blueprint, output: string): string[] => this.take(from, output, "CommaDelimitedList").valueAsList;

  /** Errors: AWS_LIMIT. */
  compile(): StackTemplate {
    const { role, service } = this.identity;
    const template = this.stack.resolve((this.stack as unknown as { _toCloudFormation(): unknown })._toCloudFormation());
    const body = JSON.stringify(template);
    refuseTooLarge(this.name, template, body);
    return {
      name: this.name,
      role,
      ...(service === undefined ? {} : { service }),
      body,
      parameters: [...this.taken].map(([output, { from }]) => ({ name: `${output}Parameter`, from: { stack: from.name, output } })),
      dependsOn: [...new Set([...this.taken.values()].map(({ from }) => from.name))],
      tags: this.tags(),
    };
  }

  /** What everything of an environment carries; the foundation belongs to all environments of the app. */
  tags(): Record<string, string> {
    const { role, service, release } = this.identity;
    return {
      "landfall:app": this.site.app.name,
      ...(role === "foundation" ? {} : { "landfall:environment": this.site.name }),
      ...(service === undefined ? {} : { "landfall:service": service }),
      ...(release === undefined ? {} : { "landfall:release": release }),
    };
  }
}

function stackName({ app, name }: Site, { role, service }: Identity): string {
  if (role === "foundation") return `${app.name}-foundation`;
  return service === undefined ? `${app.name}-${name}-${role}` : `${app.name}-${name}-service-${service}`;
}

function describe({ app, name }: Site, { role, service }: Identity): string {
  if (role === "foundation") return `${app.name}: what its environments in this region share. Made by Landfall.`;
  return `${app.name}, ${name}: ${service === undefined ? role : `service ${service}`}. Made by Landfall.`;
}
