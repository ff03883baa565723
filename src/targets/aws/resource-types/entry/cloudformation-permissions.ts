// The calls that CloudFormation makes for a type of resource, with the permissions of whoever runs the command: what AWS's own schemas of resource types
// say (`handlers`, November 2026), less what concerns properties that the templates never use. A test compares them, both ways. Handlers read
// properties that are not there as well, so nothing is left out of what they read.

export interface HandlerPermissions {
  create: string[];
  read: string[];
  update: string[];
  remove: string[];
}

export interface Calls {
  create?: string;
  read?: string;
  update?: string;
  remove?: string;
}

/** `CreateVpc DeleteVpc` → `ec2:CreateVpc`, `ec2:DeleteVpc`. A word with a colon has its own service. */
const words = (service: string, text = ""): string[] =>
  text
    .split(" ")
    .filter(Boolean)
    .map((word) => (word.includes(":") ? word : `${service}:${word}`));

export const permissions = (service: string, calls: Calls): HandlerPermissions => ({
  create: words(service, calls.create),
  read: words(service, calls.read),
  update: words(service, calls.update),
  remove: words(service, calls.remove),
});

interface Tagging {
  /** The call that puts tags on. */
  tag: string;
  untag: string;
  /** The call that lists them, where describing does not. */
  read?: string;
}

/** For services whose types are all tagged by the same calls. */
export const taggedPermissions =
  (service: string, { tag, untag, read = "" }: Tagging) =>
  (calls: Calls): HandlerPermissions =>
    permissions(service, {
      create: `${calls.create} ${tag}`,
      read: `${calls.read} ${read}`,
      update: `${calls.update ?? ""} ${tag} ${untag}`,
      remove: calls.remove,
    });
