// What `landfall check` says of an environment on AWS besides what is wrong in the file: what nobody would hear, what is not encrypted,
// and what is done elsewhere than people may think. Reads the configuration only, and loads neither the CDK nor the SDK.
import type { EnvironmentApp } from "../../config/app.ts";
import { quotaNotes, refuseBeyondLimits } from "./limits.ts";
import { placeRoutes, webServices } from "./routes.ts";

/** Errors: AWS_LIMIT for what no account can have. */
export function awsNotes(site: EnvironmentApp): string[] {
  const { name, environment, app } = site;
  refuseBeyondLimits(site);
  const where = `environment "${name}"`;
  const web = webServices(app).length > 0;
  return [
    ...(environment.alerts.length === 0 ? [`nobody will hear the alarms of ${where}: "alerts" is empty`] : []),
    ...(web && !environment.domain ? [`${where} answers to plain HTTP: a certificate needs the key "domain"`] : []),
    ...placeRoutes(app.routes)
      .filter(({ proxied }) => proxied.length > 0)
      .map(
        ({ number, proxied }) =>
          `route ${number} ${proxied.join(" and ")}: in ${where} a proxy on each instance does it, because a load balancer of AWS cannot`,
      ),
    ...quotaNotes(site),
  ];
}
