// An environment that stands: the values its stacks give, and where its machines go.
import { isArm } from "../../../config/aws.ts";
import type { App } from "../../../config/schema.ts";
import { LandfallError } from "../../../error.ts";
import { observeEnvironment, type Standing } from "../cloudformation/stand.ts";
import type { Context } from "../context.ts";
import { logicalName } from "../stacks/names.ts";
import type { Machine } from "./errand.ts";

export interface Site {
  stacks: Map<string, Standing>;
  bucket: string;
  /** The output of a stack, by the stack's role: `data`, `service-web`. */
  look(role: string, output: string): string;
}

/** Errors: ENVIRONMENT_NOT_COMMISSIONED when a stack is missing that the configuration asks for, or lacks what a release needs of it. */
export async function loadSite({ clients, app: { app, name } }: Context): Promise<Site> {
  const stacks = await observeEnvironment(clients, { app: app.name, environment: name });
  const outputsOf = (role: string) => stacks.get(role === "foundation" ? `${app.name}-foundation` : `${app.name}-${name}-${role}`)?.outputs ?? {};
  const look = (role: string, output: string): string => {
    const value = outputsOf(role)[output];
    if (value === undefined) throw notCommissioned(name, app.name, role);
    return value;
  };
  for (const role of ["network", ...Object.keys(app.services).map((service) => `service-${service}`)]) {
    const stack = stacks.get(`${app.name}-${name}-${role}`);
    if (!stack || !/_COMPLETE$/.test(stack.status)) throw notCommissioned(name, app.name, role);
  }
  return { stacks, bucket: look("foundation", "ArtifactsBucket"), look };
}

function notCommissioned(environment: string, app: string, role: string): LandfallError {
  return new LandfallError({
    code: "ENVIRONMENT_NOT_COMMISSIONED",
    what: `environment "${environment}" of app "${app}" does not stand as landfall.config.ts has it`,
    why: `${role.replace(/^service-(.*)$/, 'its service "$1"').replace(/^[a-z]+$/, "its stack $&")} is missing, or lacks something that the release needs`,
    standing: "Nothing was changed.",
    next: `landfall commission ${environment}`,
  });
}

export type Architecture = "amd64" | "arm64";

/** The services that run on machines: the others need no machine image. */
export const onMachines = ({ services }: App): App["services"] =>
  Object.fromEntries(Object.entries(services).filter(([, { container }]) => !container));

export const architectureOf = (type: string): Architecture => (isArm(type) ? "arm64" : "amd64");

const BUILDER_DISK_GIB = 12;

type Placing = Pick<Machine, "subnet" | "securityGroups" | "publicAddress">;

export const placeOf = ({ app: { environment } }: Context, site: Site, securityGroups: string[]): Placing => ({
  subnet: site.look("network", "InstanceSubnets").split(",")[0] as string,
  securityGroups,
  publicAddress: environment.network.nat === "none",
});

/** A machine that makes an image or builds a release: it reaches out, and nobody reaches it. */
export const builderMachine = (context: Context, site: Site, image: string, type: string): Machine => ({
  image,
  type,
  profile: { Name: site.look("foundation", "BuilderProfile") },
  diskGib: BUILDER_DISK_GIB,
  ...placeOf(context, site, [site.look("network", "BuilderSecurityGroup")]),
});

/** A machine with the rights of a service, for its release phase. */
export function serviceMachine(context: Context, site: Site, service: string, image: string): Machine {
  const prefix = logicalName(service);
  const own = site.look(`service-${service}`, `${prefix}SecurityGroup`);
  const { app, name } = context.app;
  const clients = site.stacks.get(`${app.name}-${name}-data`)?.outputs.ClientsSecurityGroup;
  return {
    image,
    type: app.services[service]?.machine.types[0] as string,
    profile: { Arn: site.look(`service-${service}`, `${prefix}Profile`) },
    diskGib: BUILDER_DISK_GIB,
    ...placeOf(context, site, [own, ...(clients ? [clients] : [])]),
  };
}
