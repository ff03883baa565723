// Whose a resource is, in the words of the configuration: from the stack that it stands in and its logical name.
import { logicalName, stackName, stackPrefix } from "../templates/shared/names.ts";

export interface Names {
  app: string;
  environment: string;
  /** The resources of the configuration. */
  resources: readonly string[];
}

const WORDS: Record<string, string> = {
  network: "network",
  alarms: "alerts",
  edge: "balancer",
  routes: "routes",
};

/** What all resources have together, by its logical name. */
const SHARED: Record<string, string> = { PrivateZone: "names of resources", Clients: "access to resources" };

/** `service web`, `resource database`, `network`, `balancer`. */
export function ownerOf({ app, environment, resources }: Names, stack: string, id: string): string {
  const names = { app, environment };
  if (stack === stackName(names, "shared")) return "shared by the app's environments";
  const part = stack.startsWith(stackPrefix(names)) ? stack.slice(stackPrefix(names).length) : stack;
  if (part.startsWith("service-")) return `service ${part.slice("service-".length)}`;
  if (part !== "data") return WORDS[part] ?? `stack ${stack}`;
  return SHARED[id] ?? `resource ${resourceOf(id, resources)}`;
}

/** What drawers of resources put after a resource's own name; the longest first, so that none is cut in the middle. */
const PARTS =
  /(DeadLettersPolicy|DeadLettersAlarm|LoginReadOnlyUrl|LoginReadOnly|LoginUrl|SecurityGroup|ConnectionsAlarm|DeadLetters|QueuePolicy|BucketPolicy|Parameters|AgeAlarm|CpuAlarm|DiskAlarm|Database|Subnets|Bucket|Record|Login|Cache|Queue)$/;

/** The one whose logical name it begins with. One that the configuration has no more is known by its logical name only. */
function resourceOf(id: string, resources: readonly string[]): string {
  const names = resources.filter((name) => id.startsWith(logicalName(name)) && /^[A-Z]/.test(id.slice(logicalName(name).length)));
  const prefix = id.replace(PARTS, "").replace(/(?<=[a-z\d])(?=[A-Z])/g, "-");
  return names.sort((a, b) => b.length - a.length)[0] ?? prefix.toLowerCase();
}
