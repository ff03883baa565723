// What the app's services use, for a rehearsal: databases, caches, queues and buckets of the local target on this machine, at the addresses
// and with the logins that stacks on AWS would give. What the configuration gives by URL is replaced too: a rehearsal touches no data.
import { randomBytes } from "node:crypto";
import type { EnvironmentApp } from "../config/app.ts";
import type { App, Resource } from "../config/schema.ts";
import type { Emit } from "../progress.ts";
import { findHome } from "../system/home.ts";
import { databaseAddress } from "../targets/aws/stacks/database.ts";
import { logicalName } from "../targets/aws/stacks/names.ts";
import { findRecord } from "../targets/local/context.ts";
import { type Places, placesOf } from "../targets/local/places.ts";
import { withClient } from "../targets/local/resources/postgres-users.ts";
import { secretName } from "../targets/local/resources/resource.ts";
import { openSecrets } from "../targets/local/secrets.ts";
import { openLocal } from "../targets/local/target.ts";
import { REGION, type ServedResource } from "./endpoints.ts";
import { servedAddress } from "./network.ts";
import { type Bucket, openBucket, QUEUE_ENDPOINT } from "./objects.ts";
import type { Account } from "./stand-in.ts";

/** A bucket that apps cannot have: the name of a resource has no dot. */
const ARTIFACTS = "landfall.artifacts";
const CACHE_PORT = 6379;

export interface Resources {
  places: Places;
  /** Where the object server listens. */
  endpoint: string;
  artifacts: Bucket;
  served: ServedResource[];
  /** What the stacks of an environment on AWS would give. */
  look(output: string): string;
  stop(): Promise<void>;
}

/** Starts them anew; what an interrupted rehearsal left of them goes first. Their logins go into `account`. */
export async function startResources(
  input: { app: EnvironmentApp; folder: string; emit: Emit; signal?: AbortSignal },
  account: Account,
): Promise<Resources> {
  const name = `rehearsal.${input.app.name}`;
  const app = withoutServices(input.app);
  const target = openLocal({ ...input, app: { ...app, name }, emit: () => {} });
  await target.decommission({});
  await target.commission().catch(async (error) => {
    await target.decommission({});
    throw error;
  });
  const places = placesOf(findHome(), app.app.name, name);
  const secrets = openSecrets(places);
  const outputs = new Map<string, string>([["ArtifactsBucket", `${app.app.name}-${ARTIFACTS}`]]);
  const served: ServedResource[] = [];
  const addressOf = new Map(findRecord(places)?.resources.map((resource) => [resource.name, resource.address]));
  const endpoint = new URL(addressOf.get(ARTIFACTS) as string).origin;

  const serve = (id: string, port: number, tls: ServedResource["tls"]) => {
    const one = {
      host: `${id}.rehearsal.${REGION}.rds.amazonaws.com`,
      address: servedAddress(served.length),
      port,
      localPort: Number(/:(\d+)/.exec(addressOf.get(id) ?? "")?.[1]),
      tls,
    };
    served.push(one);
    outputs.set(`${logicalName(id)}Address`, one.host);
    return one.localPort;
  };
  const login = (id: string, part: string, username: string, password: string) => {
    const arn = `arn:aws:secretsmanager:rehearsal:000000000000:secret:${id}-${part}`;
    outputs.set(`${logicalName(id)}${part}`, arn);
    account.secrets.set(arn, JSON.stringify({ username, password }));
  };

  for (const [id, resource] of Object.entries(input.app.app.resources)) {
    if (resource.type === "queue") {
      outputs.set(`${logicalName(id)}QueueUrl`, `${QUEUE_ENDPOINT}/000000000000/${app.app.name}-${id}`);
      outputs.set(`${logicalName(id)}DeadLettersUrl`, `${QUEUE_ENDPOINT}/000000000000/${app.app.name}-${id}-dead-letter`);
    } else if (resource.type === "bucket") outputs.set(`${logicalName(id)}Bucket`, `${app.app.name}-${id}`);
    else if (resource.type === "cache") {
      serve(id, CACHE_PORT, "begun");
      login(id, "Login", "default", new URL(secrets.reveal(secretName(id, "url"))).password);
    } else {
      const address = new URL(`database://${databaseAddress(resource, "host")}`);
      const port = serve(id, Number(address.port), "asked for");
      const master = { user: "landfall", password: secrets.reveal(secretName(id, "superuser-password")) };
      await withClient(`postgres://${master.user}:${master.password}@127.0.0.1:${port}/postgres`, async (client) => {
        await client.query(`create database ${address.pathname.slice(1)}`);
      });
      login(id, "Login", master.user, master.password);
      login(id, "LoginReadOnly", "readonly", randomBytes(24).toString("base64url"));
    }
  }
  return {
    places,
    endpoint,
    artifacts: openBucket(endpoint, `${app.app.name}-${ARTIFACTS}`),
    served,
    look(output) {
      const value = outputs.get(output);
      if (value === undefined) throw new TypeError(`no stack of a rehearsal has the output "${output}"`);
      return value;
    },
    async stop() {
      await target.decommission({});
    },
  };
}

/** The app's resources alone, all to be started here, and one more bucket for what is released. */
function withoutServices({ app, environment, name }: EnvironmentApp): EnvironmentApp {
  const own = Object.entries(app.resources).map(([id, resource]): [string, Resource] => [id, { ...resource, url: undefined }]);
  const resources: App["resources"] = { ...Object.fromEntries(own), [ARTIFACTS]: { type: "bucket" } as Resource };
  return { name, environment: { ...environment, target: "local", port: 0, tls: false }, app: { ...app, services: {}, routes: [], resources } };
}
