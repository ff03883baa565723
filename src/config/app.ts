import type { App, AppInput, Environment, Resource } from "./schema.ts";

/** The app with what one environment says of it already applied. */
export interface EnvironmentApp {
  name: string;
  environment: Environment;
  app: App;
}

/** Types the configuration for the editor; validation happens when the file is loaded. */
export const defineApp = (app: AppInput): AppInput => app;

/** Applies an environment's own `services`, `resources` and `rollout` to the app. The environment must be one of the app's. */
export function appIn(app: App, name: string): EnvironmentApp {
  const environment = Object.hasOwn(app.environments, name) ? app.environments[name] : undefined;
  if (!environment) throw new TypeError(`no environment "${name}"`);
  const services = Object.fromEntries(
    Object.entries(app.services).map(([id, service]) => {
      const own = environment.services[id];
      return [
        id,
        {
          ...service,
          ...own,
          instances: own?.instances ?? service.instances,
          scaling: (own?.scaling ?? service.scaling) || undefined,
          environment: { ...service.environment, ...own?.environment },
          machine: own?.machine ?? service.machine,
          container: own?.container ?? service.container,
        },
      ];
    }),
  );
  const resources = Object.fromEntries(
    Object.entries(app.resources).map(([id, resource]) => [id, { ...resource, ...environment.resources[id] } as Resource]),
  );
  return { name, environment, app: { ...app, services, resources, rollout: { ...app.rollout, ...environment.rollout } } };
}
