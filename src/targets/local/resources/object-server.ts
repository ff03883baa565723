// The one process behind an environment's queues and buckets: its program is in ../object-server.
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { builtProgram } from "../../../system/built.ts";
import { isPortFree } from "../../../system/network.ts";
import { socketPathOf } from "../../../system/socket-path.ts";
import { describeDuration } from "../../../text/units.ts";
import { ensureIdentity } from "../data/data-record.ts";
import type { Secrets } from "../data/secret-store.ts";
import { REGION } from "../object-server/protocol/names.ts";
import type { Paths } from "../paths.ts";
import { keepPort, requireFreePort } from "../ports/resource-port.ts";
import type { ProcessSpec } from "../supervisor/api.ts";
import { waitForAnswer } from "./readiness.ts";
import { type PreparedResource, type ResourceContext, resourceFailed, secretName } from "./resource.ts";

const ASK_TIMEOUT_MS = 10_000;

export interface ObjectServer {
  spec: ProcessSpec;
  /** `http://127.0.0.1:<port>`. With an IP address AWS SDKs put the bucket into the path by themselves. */
  endpoint: string;
  /** Where Landfall itself asks it. */
  socket: string;
  /** What an app with a plain AWS SDK reads, without any code of its own. `variable` names what is the resource's alone. */
  variablesFor(service: "SQS" | "S3", variable: (part: string) => string): PreparedResource["variables"];
  ready(resource: Pick<PreparedResource, "name" | "type">): Promise<void>;
}

/** Below the environment's folder. */
export const QUEUES_FOLDER = join("data", "objects", "queues");
export const bucketFolder = (bucket: string): string => join("data", "objects", "buckets", bucket);
export const OBJECT_SERVER = "resource.objects";

/** The name of a resource has no dot. */
const SECRET_ACCESS_KEY = secretName("objects.server", "secret-access-key");

interface Served {
  /**
   * Some queue or bucket is given by URL, so the app talks to AWS too, and only the endpoint of each service is set; its region and its
   * credentials are the app's own.
   */
  besideOthers: boolean;
  /** Their folder is there. */
  hasQueues: boolean;
}

/** Prepares the server; starts nothing. */
export async function prepareObjectServer(context: ResourceContext, { besideOthers, hasQueues }: Served): Promise<ObjectServer> {
  const folder = join(context.paths.data, "objects");
  if (!hasQueues) makeQueuesFolder(join(context.paths.environment, QUEUES_FOLDER));
  const port = await keepPort(folder, context.taken);
  const endpoint = `http://127.0.0.1:${port}`;
  const socket = objectSocketOf(context.paths);
  if (!(await isPortFree(port)) && !(await isOurs(socket, endpoint))) await requireFreePort("objects", port, folder);
  const accessKeyId = keepCredentials(context.secrets);
  const id = OBJECT_SERVER;
  return {
    endpoint,
    socket,
    spec: {
      id,
      kind: "resource",
      argv: [process.execPath, builtProgram(new URL("../object-server/main.js", import.meta.url)), folder, String(port), context.paths.objectSocket],
      cwd: folder,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", TZ: "UTC", NODE_ENV: "production", LANDFALL_ACCESS_KEY_ID: accessKeyId },
      secretEnv: { LANDFALL_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY },
      port,
      restart: "always",
      stop: { signal: "SIGTERM", timeoutMs: 10_000 },
    },
    variablesFor: (service, variable) =>
      besideOthers
        ? {
            env: { [`AWS_ENDPOINT_URL_${service}`]: endpoint, [variable("ACCESS_KEY_ID")]: accessKeyId },
            secretEnv: { [variable("SECRET_ACCESS_KEY")]: SECRET_ACCESS_KEY },
          }
        : {
            env: { AWS_ENDPOINT_URL: endpoint, AWS_REGION: REGION, AWS_DEFAULT_REGION: REGION, AWS_ACCESS_KEY_ID: accessKeyId },
            secretEnv: { AWS_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY },
          },
    ready: (resource) =>
      waitForAnswer({
        resource: { ...resource, address: endpoint },
        ask: async () => void (await ask(socket, { method: "GET", path: "/_landfall" })),
        // The socket of one that was killed stands until the next has read all that is kept.
        passing: ({ code }) => ["ECONNREFUSED", "ECONNRESET", "ENOENT"].includes(code ?? ""),
        logs: { folder: context.paths.logs, id },
      }),
  };
}

/** Where Landfall asks the server of an environment: only its user can open it. */
export const objectSocketOf = (paths: Pick<Paths, "objectSocket">): string => socketPathOf(paths.objectSocket);

/** Made once: instances that run hold them. Gives the one of the two that is no secret, which the other decides. */
function keepCredentials(secrets: Secrets): string {
  if (!secrets.has(SECRET_ACCESS_KEY)) secrets.set(SECRET_ACCESS_KEY, randomBytes(30).toString("base64url"));
  const hash = createHash("sha256").update("landfall access key\0").update(secrets.reveal(SECRET_ACCESS_KEY)).digest("hex");
  return `LANDFALL${hash.slice(0, 12).toUpperCase()}`;
}

/** The server makes none by itself: after a restart of the machine without its disk it would serve an empty one. */
function makeQueuesFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  ensureIdentity(folder);
}

export interface Answer {
  status: number;
  text: string;
}

export interface Call {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

/** One request to the server, through its socket. */
export function ask(socketPath: string, { method, path, headers = {}, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, method, agent: false, headers, timeout: ASK_TIMEOUT_MS }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.once("error", reject);
      incoming.once("end", () => resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    outgoing.once("timeout", () =>
      outgoing.destroy(Object.assign(new Error(`no answer within ${describeDuration(ASK_TIMEOUT_MS)}`), { code: "ETIMEDOUT" })),
    );
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** A request that must succeed, made for the resource `name`. */
export async function demand(name: string, socket: string, call: Call): Promise<string> {
  const { status, text } = await ask(socket, call);
  if (status < 300) return text;
  throw resourceFailed({
    what: `the server of the resource "${name}" refused to make it`,
    where: socket,
    why: `${call.method} ${call.path} was answered with ${status}: ${text}`,
  });
}

const isOurs = (socket: string, endpoint: string): Promise<boolean> =>
  ask(socket, { method: "GET", path: "/_landfall" }).then(
    ({ text }) => JSON.parse(text).endpoint === endpoint,
    () => false,
  );
