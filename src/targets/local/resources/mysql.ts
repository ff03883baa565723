// A MySQL that somebody else keeps: locally none is started, and the configuration is refused without its URL.
import { isGiven, prepareGiven } from "./given.ts";
import { type PreparedResource, type ResourceContext, type ResourceOf, variablePrefix } from "./resource.ts";

export function prepareMysql(name: string, resource: ResourceOf<"mysql">, context: ResourceContext): PreparedResource {
  if (!isGiven(resource)) throw new TypeError(`mysql "${name}" has no URL`);
  return prepareGiven(name, resource, `${variablePrefix(name)}_URL`, context);
}
