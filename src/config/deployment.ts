import type { App, AppInput, Environment, Resource, Service } from "./schema.ts";

/** What one environment runs: the app, with what that environment says of it applied. */
export interface Deployment extends Omit<App, "name" | "environment" | "services"> {
  /** The app's name. */
  app: string;
  /** The environment's name. */
  environment: string;
  /** The environment's own keys. */
  settings: Environment;
  services: Record<string, DeployedService>;
}

/** What a service is for, by its keys `port`, `schedule` and `singleton`. */
export type ServiceKind = "web" | "worker" | "scheduler" | "job";

export type DeployedService = Service & { kind: ServiceKind };

/** Types the configuration for the editor; validation happens when the file is loaded. */
export const defineApp = (app: AppInput): AppInput => app;

/** Applies an environment's own `services`, `resources` and `rollout` to the app. The environment must be one of the app's. */
export function deploymentOf({ name: app, environment: common, ...shared }: App, environment: string): Deployment {
  const settings = Object.hasOwn(shared.environments, environment) ? shared.environments[environment] : undefined;
  if (!settings) throw new TypeError(`no environment "${environment}"`);
  const services = Object.fromEntries(
    Object.entries(shared.services).map(([id, service]) => {
      const own = { ...service, environment: { ...common, ...settings.environment, ...service.environment } };
      return [id, deployedService(own, settings.services[id])];
    }),
  );
  const resources = Object.fromEntries(
    Object.entries(shared.resources).map(([id, resource]) => [id, { ...resource, ...settings.resources[id] } as Resource]),
  );
  return { ...shared, app, environment, settings, services, resources, rollout: { ...shared.rollout, ...settings.rollout } };
}

function deployedService(service: Service, override: Environment["services"][string] | undefined): DeployedService {
  const deployed = {
    ...service,
    ...override,
    instances: override?.instances ?? service.instances,
    scaling: (override?.scaling ?? service.scaling) || undefined,
    environment: { ...service.environment, ...override?.environment },
    machine: override?.machine ?? service.machine,
    container: override?.container ?? service.container,
  };
  return { ...deployed, kind: kindOf(deployed) };
}

function kindOf({ schedule, port, singleton }: Service): ServiceKind {
  if (schedule !== undefined) return "job";
  if (port !== undefined) return "web";
  return singleton ? "scheduler" : "worker";
}

/** There may never be two of it. */
export const isAlone = ({ singleton, kind }: Pick<DeployedService, "singleton" | "kind">): boolean => singleton || kind === "job";

/** A service that is known to be there. */
export function serviceOf({ services }: Pick<Deployment, "services">, name: string): DeployedService {
  const service = services[name];
  if (!service) throw new TypeError(`no service "${name}"`);
  return service;
}

/** The web service that gets the requests that no route sends elsewhere. */
export function defaultService(services: App["services"]): string | undefined {
  const web = Object.keys(services).filter((name) => services[name]?.port !== undefined);
  return web.includes("web") ? "web" : web[0];
}
