// The one process behind an environment's queues and buckets: fauxqs, which speaks SQS and S3, kept on disk by object-store.ts.
import { mkdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { builtProgram } from "../../../system/built.ts";
import { isPortFree } from "../../../system/network.ts";
import type { ProcessSpec } from "../supervisor/api.ts";
import { waitForAnswer } from "./answer.ts";
import { keepPort, requireFreePort } from "./port.ts";
import { type PreparedResource, type ResourceContext, resourceFailed } from "./resource.ts";

export const REGION = "us-east-1";
const ASK_TIMEOUT_MS = 10_000;
/** The account that SQS URLs and ARNs carry here. */
export const ACCOUNT = "000000000000";

export interface ObjectServer {
  spec: ProcessSpec;
  /** `http://127.0.0.1:<port>`. With an IP address AWS SDKs put the bucket into the path by themselves. */
  endpoint: string;
  /** What an app with a plain AWS SDK reads, without any code of its own. */
  envFor(service: "SQS" | "S3"): Record<string, string>;
  ready(resource: Pick<PreparedResource, "name" | "type">): Promise<void>;
}

/**
 * Prepares the server; starts nothing. `besideOthers`: some queue or bucket is given by URL, so the app talks to AWS too, and
 * only the endpoint of each service is set; its region and its credentials are the app's own.
 */
export async function prepareObjectServer(context: ResourceContext, taken: Set<number>, besideOthers: boolean): Promise<ObjectServer> {
  const folder = join(context.places.data, "objects");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const port = await keepPort(folder, taken);
  const endpoint = `http://127.0.0.1:${port}`;
  if (!(await isPortFree(port)) && !(await isOurs(endpoint))) await requireFreePort("objects", port, folder);
  const id = "resource.objects";
  return {
    endpoint,
    spec: {
      id,
      kind: "resource",
      argv: [process.execPath, builtProgram(new URL("./object-server-main.js", import.meta.url)), folder, String(port)],
      cwd: folder,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", TZ: "UTC", NODE_ENV: "production" },
      secretEnv: {},
      port,
      restart: "always",
      stop: { signal: "SIGTERM", timeoutMs: 10_000 },
    },
    envFor: (service) => {
      if (besideOthers) return { [`AWS_ENDPOINT_URL_${service}`]: endpoint };
      // Nobody checks the credentials: the server listens on 127.0.0.1 only. SDKs refuse to sign without them.
      return { AWS_ENDPOINT_URL: endpoint, AWS_REGION: REGION, AWS_ACCESS_KEY_ID: "landfall", AWS_SECRET_ACCESS_KEY: "landfall" };
    },
    ready: (resource) =>
      waitForAnswer({
        resource: { ...resource, address: endpoint },
        ask: async () => void (await ask(endpoint, "GET", "/health")),
        passing: ({ code }) => ["ECONNREFUSED", "ECONNRESET"].includes(code ?? ""),
        logs: { folder: context.places.logs, id },
      }),
  };
}

export interface Answer {
  status: number;
  text: string;
}

/** One request to the server. */
export function ask(endpoint: string, method: string, path: string, call?: { headers: Record<string, string>; body: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${endpoint}${path}`, { method, agent: false, headers: call?.headers ?? {}, timeout: ASK_TIMEOUT_MS }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.once("error", reject);
      incoming.once("end", () => resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    outgoing.once("timeout", () => outgoing.destroy(Object.assign(new Error(`no answer within ${ASK_TIMEOUT_MS / 1000} s`), { code: "ETIMEDOUT" })));
    outgoing.once("error", reject);
    outgoing.end(call?.body);
  });
}

/** A request that must succeed, made for the resource `name`. */
export async function demand(name: string, endpoint: string, method: string, path: string, call?: Parameters<typeof ask>[3]): Promise<string> {
  const { status, text } = await ask(endpoint, method, path, call);
  if (status < 300) return text;
  throw resourceFailed({
    what: `the server of the resource "${name}" refused to make it`,
    where: endpoint,
    why: `${method} ${path} was answered with ${status}: ${text}`,
  });
}

const isOurs = (endpoint: string): Promise<boolean> =>
  ask(endpoint, "GET", "/_fauxqs/queues").then(
    ({ status }) => status === 200,
    () => false,
  );
