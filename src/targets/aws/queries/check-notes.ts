// Notes of `landfall check` on an environment on AWS, besides mistakes in the file: what nobody would hear, what is not encrypted,
// and what is done elsewhere than people may think. Loads neither the CDK nor the SDK.
import type { Deployment } from "../../../config/deployment.ts";
import { placeRoutes, webServices } from "../../../routing/placement.ts";
import { diskNotes } from "../templates/compute/disks.ts";
import { assertWithinLimits, quotaNotes } from "../templates/shared/quotas.ts";
import type { Running } from "../templates/shared/running.ts";

/** There a program's output goes to the journal through a socket, which no program can open by its name. */
function outputNotes({ services }: Deployment): string[] {
  const named = Object.entries(services).filter(([, { command, container }]) => !container && /\/dev\/(stdout|stderr)\b/.test(command));
  return named.map(
    ([name]) =>
      `the command of "${name}" names /dev/stdout or /dev/stderr, which cannot be opened on a machine of AWS: write to the stream itself, or end the command with  2>&1 | cat`,
  );
}

/** With what runs, where that is known. Errors: AWS_LIMIT for what no account can have. */
export function awsNotes(site: Deployment, running?: Running): string[] {
  const deployment = site;
  assertWithinLimits(site);
  const where = `environment "${deployment.environment}"`;
  const web = webServices(deployment).length > 0;
  return [
    ...(deployment.settings.notify.length === 0 ? [`the alarms of ${where} notify nobody: "notify" is empty`] : []),
    ...(web && !deployment.settings.domain ? [`${where} answers to plain HTTP: a certificate needs the key "domain"`] : []),
    ...placeRoutes(deployment.routes)
      .filter(({ proxied }) => proxied.length > 0)
      .map(
        ({ number, proxied }) =>
          `route ${number} ${proxied.join(" and ")}: in ${where} a proxy on each instance does it, because a load balancer of AWS cannot`,
      ),
    ...outputNotes(site),
    ...quotaNotes(site),
    ...diskNotes(site, running),
  ];
}
