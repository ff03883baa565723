// Which services run on machines, and on which kind of processor.
import type { Deployment } from "../../../config/deployment.ts";
import { isArm } from "../../../config/rules/aws.ts";
import type { Release } from "../../../release/release.ts";
import { withConfigured } from "../templates/shared/drawn.ts";

export type Architecture = "amd64" | "arm64";

/** The services that run on machines: the others need no machine image. */
export const onMachines = ({ services }: Pick<Deployment, "services">): Deployment["services"] =>
  Object.fromEntries(Object.entries(services).filter(([, { container }]) => !container));

/** The release's own services, on the machines that are configured today. */
export const servicesOf = (today: Deployment, { services }: Pick<Release, "services">): Deployment["services"] =>
  Object.fromEntries(Object.entries(services).map(([name, service]) => [name, withConfigured(service, today.services[name] ?? service)]));

export const architectureOf = (type: string): Architecture => (isArm(type) ? "arm64" : "amd64");
