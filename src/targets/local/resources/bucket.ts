// A bucket, in the object server.
import { isGiven, prepareGiven } from "./given.ts";
import { ask, demand, type ObjectServer } from "./object-server.ts";
import { type PreparedResource, type ResourceContext, type ResourceOf, variablePrefix } from "./resource.ts";

export function prepareBucket(
  name: string,
  resource: ResourceOf<"bucket">,
  context: ResourceContext,
  server: ObjectServer | undefined,
): PreparedResource {
  const variable = `${variablePrefix(name)}_BUCKET`;
  if (isGiven(resource)) return prepareGiven(name, resource, variable, context);
  const { endpoint, spec, envFor, ready } = server as ObjectServer;
  const bucket = `${context.app.name}-${name}`;
  return {
    name,
    type: "bucket",
    spec,
    address: `${endpoint}/${bucket}`,
    ready: () => ready({ name, type: "bucket" }),
    establish: async () => {
      if ((await ask(endpoint, "HEAD", `/${bucket}`)).status === 200) return { created: [] };
      await demand(name, endpoint, "PUT", `/${bucket}`);
      return { created: [`bucket "${bucket}"`] };
    },
    variables: { env: { ...envFor("S3"), [variable]: bucket }, secretEnv: {} },
  };
}
