// A bucket, in the object server.
import { type ResourceOf, variableOf } from "../../../resources/index.ts";
import { assertNotLost } from "../data/data-record.ts";
import type { LocalPlace, LocalResource } from "./local-resource.ts";
import { ask, bucketFolder, demand, OBJECT_SERVER } from "./object-server.ts";
import type { PreparedResource } from "./resource.ts";

export const bucket: LocalResource<ResourceOf<"bucket">> = { isServed: true, prepare: prepareBucket };

async function prepareBucket(name: string, _: ResourceOf<"bucket">, { context, server }: LocalPlace): Promise<PreparedResource> {
  const { endpoint, socket, spec, variablesFor, ready } = await server();
  const { env, secretEnv } = variablesFor("S3", (part) => variableOf(name, part));
  const bucket = `${context.deployment.app}-${name}`;
  return {
    name,
    type: "bucket",
    spec,
    address: `${endpoint}/${bucket}`,
    ready: () => ready({ name, type: "bucket" }),
    establish: async () => {
      if ((await ask(socket, { method: "HEAD", path: `/${bucket}` })).status === 200) return { created: [] };
      assertNotLost(context.paths, name, `no bucket "${bucket}" in its server`);
      await demand(name, socket, { method: "PUT", path: `/${bucket}` });
      return { created: [`bucket "${bucket}"`] };
    },
    data: { kind: "bucket", path: bucketFolder(bucket), usedBy: OBJECT_SERVER },
    variables: { env: { ...env, [variableOf(name, "BUCKET")]: bucket }, secretEnv },
  };
}
