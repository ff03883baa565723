// What the app's services use, for a rehearsal: databases, caches, queues and buckets of the local target on this machine, at the addresses
// and with the logins that stacks on AWS would give. What the configuration gives by URL is replaced too: a rehearsal touches no data.
import { randomBytes } from "node:crypto";
import type { Deployment } from "../config/deployment.ts";
import type { App, Resource } from "../config/schema.ts";
import type { Emit } from "../progress.ts";
import { findHome } from "../system/home.ts";
import type { EnvironmentOutputs } from "../targets/aws/environment-outputs.ts";
import { awsTypeOf } from "../targets/aws/resources/index.ts";
import { logicalName } from "../targets/aws/templates/shared/names.ts";
import { type OutputAddress, outputKey } from "../targets/aws/templates/shared/outputs.ts";
import { openSecrets, type Secrets } from "../targets/local/data/secret-store.ts";
import { type Paths, pathsOf } from "../targets/local/paths.ts";
import { findRecord } from "../targets/local/record.ts";
import { objectSocketOf } from "../targets/local/resources/object-server.ts";
import { withClient } from "../targets/local/resources/postgres-users.ts";
import { secretName } from "../targets/local/resources/resource.ts";
import { openLocal } from "../targets/local/target.ts";
import { REGION, type ServedResource } from "./endpoints.ts";
import type { Account } from "./fake-aws.ts";
import { servedAddress } from "./network.ts";
import { type Bucket, type ObjectServerPlace, openBucket, QUEUE_ENDPOINT } from "./objects.ts";
import { resourcesEnvironment } from "./remains.ts";

/** A bucket that apps cannot have: the name of a resource has no dot. */
const ARTIFACTS = "landfall.artifacts";
const CACHE_PORT = 6379;

export interface Resources {
  paths: Paths;
  objectServer: ObjectServerPlace;
  artifacts: Bucket;
  served: ServedResource[];
  /** What the stacks of an environment on AWS would give. */
  outputs: Pick<EnvironmentOutputs, "find" | "get">;
  /** The same, by the output's name alone. */
  look(output: string): string;
  stop(): Promise<void>;
}

/** Starts them anew; what an interrupted rehearsal left of them goes first. Their logins go into `account`. */
export async function startResources(
  input: { deployment: Deployment; folder: string; emit: Emit; signal?: AbortSignal },
  account: Account,
): Promise<Resources> {
  const environment = resourcesEnvironment(input.deployment.environment);
  const deployment = { ...withoutServices(input.deployment), environment };
  const target = openLocal({ ...input, deployment, emit: () => {} });
  await target.decommission({});
  await target.commission().catch(async (error) => {
    await target.decommission({});
    throw error;
  });
  const { app } = deployment;
  const paths = pathsOf(findHome(), app, environment);
  const addresses = new Map(findRecord(paths)?.resources.map((resource) => [resource.name, resource.address]));
  const outputs = new Map([
    ["ArtifactsBucket", `${app}-${ARTIFACTS}`],
    ["Listener", "rehearsal"],
  ]);
  const standing: Standing = { app, secrets: openSecrets(paths), addresses, outputs, served: [], account };
  for (const [id, { type }] of Object.entries(input.deployment.resources)) await GIVE[type as RehearsedType](standing, id);

  const objectServer = { endpoint: new URL(addresses.get(ARTIFACTS) as string).origin, socket: objectSocketOf(paths) };
  const look = (output: string): string => {
    const value = outputs.get(output);
    if (value === undefined) throw new TypeError(`no stack of a rehearsal has the output "${output}"`);
    return value;
  };
  return {
    paths,
    objectServer,
    artifacts: openBucket(objectServer, `${app}-${ARTIFACTS}`),
    served: standing.served,
    outputs: {
      find: (...address) => outputs.get(keyOf(address)),
      get: (...address) => look(keyOf(address)),
    },
    look,
    async stop() {
      await target.decommission({});
    },
  };
}

interface Standing {
  app: string;
  secrets: Secrets;
  /** On this machine, by resource. */
  addresses: ReadonlyMap<string, string>;
  outputs: Map<string, string>;
  served: ServedResource[];
  account: Account;
}

/** This machine has no program for the others. */
type RehearsedType = Exclude<Resource["type"], "mysql">;

/** Makes what a stack would give of a resource, by its type. */
const GIVE: Record<RehearsedType, (standing: Standing, id: string) => void | Promise<void>> = {
  queue({ app, outputs }, id) {
    outputs.set(`${logicalName(id)}QueueUrl`, `${QUEUE_ENDPOINT}/000000000000/${app}-${id}`);
    outputs.set(`${logicalName(id)}DeadLettersUrl`, `${QUEUE_ENDPOINT}/000000000000/${app}-${id}-dead-letter`);
  },
  bucket({ app, outputs }, id) {
    outputs.set(`${logicalName(id)}Bucket`, `${app}-${id}`);
  },
  cache(standing, id) {
    serve(standing, id, { port: CACHE_PORT, tls: "begun" });
    const { password } = new URL(standing.secrets.reveal(secretName(id, "url")));
    giveLogin(standing, [id, "Login"], { username: "default", password });
  },
  async postgres(standing, id) {
    const address = new URL(`database://${awsTypeOf({ type: "postgres" }).addressAt?.("host")}`);
    const port = serve(standing, id, { port: Number(address.port), tls: "asked for" });
    const master = { username: "landfall", password: standing.secrets.reveal(secretName(id, "superuser-password")) };
    await withClient(`postgres://${master.username}:${master.password}@127.0.0.1:${port}/postgres`, async (client) => {
      await client.query(`create database ${address.pathname.slice(1)}`);
    });
    giveLogin(standing, [id, "Login"], master);
    giveLogin(standing, [id, "LoginReadOnly"], { username: "readonly", password: randomBytes(24).toString("base64url") });
  },
};

/** Lets machines reach it under a name of AWS's; its port here. */
function serve({ addresses, served, outputs }: Standing, id: string, { port, tls }: Pick<ServedResource, "port" | "tls">): number {
  const localPort = Number(/:(\d+)/.exec(addresses.get(id) ?? "")?.[1]);
  const host = `${id}.rehearsal.${REGION}.rds.amazonaws.com`;
  served.push({ host, address: servedAddress(served.length), port, localPort, tls });
  outputs.set(`${logicalName(id)}Address`, host);
  return localPort;
}

function giveLogin({ outputs, account }: Standing, [id, output]: [string, string], login: { username: string; password: string }): void {
  const arn = `arn:aws:secretsmanager:rehearsal:000000000000:secret:${id}-${output}`;
  outputs.set(`${logicalName(id)}${output}`, arn);
  account.secrets.set(arn, JSON.stringify(login));
}

/** Of a service a rehearsal has no outputs. */
const keyOf = ([role, ...path]: OutputAddress): string => (role === "service" ? "" : outputKey(undefined, path));

/** The app's resources alone, all to be started here, and one more bucket for what is released. */
function withoutServices(deployment: Deployment): Deployment {
  const entries = Object.entries(deployment.resources).map(([id, resource]): [string, Resource] => [id, { ...resource, url: undefined }]);
  const resources: App["resources"] = { ...Object.fromEntries(entries), [ARTIFACTS]: { type: "bucket" } as Resource };
  return {
    ...deployment,
    settings: { ...deployment.settings, target: "local", port: 0, tls: false },
    services: {},
    routes: [],
    resources,
  };
}
