// A resource that is given by URL: nothing is started and nothing is made, but it must answer.
import type { Resource } from "../../../config/schema.ts";
import { requireAnswer, touch } from "./answer.ts";
import { withClient } from "./postgres-users.ts";
import { type PreparedResource, type ResourceContext, resourceFailed } from "./resource.ts";

const DEFAULT_PORTS: Record<string, number> = {
  "postgres:": 5432,
  "postgresql:": 5432,
  "mysql:": 3306,
  "redis:": 6379,
  "rediss:": 6379,
  "http:": 80,
  "https:": 443,
};

type GivenResource = Resource & { url: NonNullable<Resource["url"]> };

export const isGiven = (resource: Resource): resource is GivenResource => resource.url !== undefined;

/** `variable` gets the URL: as it is, or from the secret that holds it. */
export function prepareGiven(name: string, resource: GivenResource, variable: string, context: ResourceContext): PreparedResource {
  const { url } = resource;
  const reveal = () => (typeof url === "string" ? url : context.secrets.reveal(url.secret));
  const address = typeof url === "string" ? withoutPassword(url) : `in the secret "${url.secret}"`;
  return {
    name,
    type: resource.type,
    ready: async () => {
      const parsed = parse(name, resource, reveal());
      const port = Number(parsed.port) || DEFAULT_PORTS[parsed.protocol];
      // Without a host and a port, as in s3://uploads, there is nothing to knock at; the app's own client decides where it lives.
      if (!parsed.hostname || !port) return;
      const host = parsed.hostname.replace(/^\[|\]$/g, "");
      const ask = resource.type === "postgres" ? () => withClient(parsed.href, async () => {}) : () => touch(host, port);
      await requireAnswer({ resource: { name, type: resource.type, address: withoutPassword(parsed.href) }, ask });
    },
    establish: async () => ({ created: [] }),
    variables:
      typeof url === "string"
        ? { env: { [variable]: variableValue(resource.type, url) }, secretEnv: {} }
        : { env: {}, secretEnv: { [variable]: url.secret } },
    address,
  };
}

/** Apps hand a bucket's name to their client, so `s3://uploads` becomes `uploads`. */
const variableValue = (type: Resource["type"], url: string): string => (type === "bucket" ? (/^s3:\/\/([^/]+)\/?$/.exec(url)?.[1] ?? url) : url);

function parse(name: string, resource: GivenResource, text: string): URL {
  if (URL.canParse(text)) return new URL(text);
  const secret = typeof resource.url === "string" ? undefined : resource.url.secret;
  throw resourceFailed({
    what: `the ${resource.type} "${name}" has an address that is not a URL`,
    where: secret ? `secret "${secret}"` : `resources.${name}.url`,
    why: 'An address like "postgres://user:password@host:5432/database" is required.',
    standing: "Nothing was changed.",
  });
}

/** The URL without its password, for people. */
export function withoutPassword(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  url.password = "";
  return url.href;
}
