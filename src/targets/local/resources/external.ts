// A resource that is given by URL: nothing is started and nothing is made, but it must answer.
import { portOf, type Resource, typeOf, valueOfUrl, variableOf } from "../../../resources/index.ts";
import { hidePasswords, passwordOf } from "../../../text/mask.ts";
import type { LocalResource } from "./local-resource.ts";
import { requireAnswer, touch } from "./readiness.ts";
import { type PreparedResource, type ResourceContext, resourceFailed } from "./resource.ts";

type ExternalResource = Resource & { url: NonNullable<Resource["url"]> };

export const isExternal = (resource: Resource): resource is ExternalResource => resource.url !== undefined;

/** Where it is, without a password. */
export const addressOfUrl = (url: ExternalResource["url"]): string =>
  typeof url === "string" ? hidePasswords(url) : `in the secret "${url.secret}"`;

/** What reads the URL that a secret holds, and how one of its type is asked. */
type Answering = Pick<ResourceContext, "secrets"> & Pick<LocalResource, "ask">;

/** Its variable gets the URL: as it is, or from the secret that holds it. `ask` makes sure that it answers. */
export function prepareExternal(name: string, resource: ExternalResource, { secrets, ask }: Answering): PreparedResource {
  const variable = variableOf(name, typeOf(resource).variable);
  const { url } = resource;
  const reveal = () => (typeof url === "string" ? url : secrets.reveal(url.secret));
  return {
    name,
    type: resource.type,
    ready: async () => {
      const parsed = parse(name, resource, reveal());
      const port = Number(parsed.port) || portOf(parsed.protocol);
      // Without a host and a port, as in s3://uploads, there is nothing to knock at; the app's own client decides where it lives.
      if (!parsed.hostname || !port) return;
      const host = parsed.hostname.replace(/^\[|\]$/g, "");
      await requireAnswer({
        resource: { name, type: resource.type, address: hidePasswords(parsed.href) },
        ask: () => ask?.(parsed.href) ?? touch(host, port),
      });
    },
    establish: async () => ({ created: [] }),
    variables:
      typeof url === "string"
        ? { env: { [variable]: valueOfUrl(resource, url) }, secretEnv: {} }
        : { env: {}, secretEnv: { [variable]: url.secret } },
    address: addressOfUrl(url),
  };
}

function parse(name: string, resource: ExternalResource, text: string): URL {
  const refused = (what: string, why: string) =>
    resourceFailed({
      what: `the ${resource.type} "${name}" has ${what}`,
      where: typeof resource.url === "string" ? `resources.${name}.url` : `secret "${resource.url.secret}"`,
      why,
      standing: "Nothing was changed.",
    });
  if (!URL.canParse(text))
    throw refused("an address that is not a URL", 'An address like "postgres://user:password@host:5432/database" is required.');
  // What comes after such a character would be taken for a host or a path, and shown as one.
  if (/[/?#]/.test(passwordOf(text))) {
    throw refused("a password that is not percent-encoded", 'In a URL "/" is written %2F, "?" %3F, "#" %23 and "@" %40.');
  }
  return new URL(text);
}
