// Calls between our own processes: one JSON request and one JSON answer over a unix socket (0600).
import { chmodSync, rmSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { type ErrorParts, LandfallError } from "../error.ts";

/** An interface whose methods take one JSON value and return a promise of another. */
export type Api<T> = { [K in keyof T]: (input: never) => Promise<unknown> };

/** Answers calls to `api` on a unix socket. The socket file is replaced if a dead process left one. */
export async function serveControl<T extends Api<T>>(socketPath: string, api: T): Promise<Server> {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", async () => {
      const answer = (status: number, body: unknown) => {
        outgoing.writeHead(status, { "content-type": "application/json" });
        outgoing.end(JSON.stringify(body ?? null));
      };
      try {
        const method = api[(incoming.url ?? "/").slice(1) as keyof T] as unknown as ((input: unknown) => Promise<unknown>) | undefined;
        if (!method) return answer(404, { message: `no method ${incoming.url}` });
        answer(200, await method(JSON.parse(Buffer.concat(chunks).toString() || "null")));
      } catch (error) {
        answer(
          500,
          error instanceof LandfallError ? { parts: { ...error.parts, cause: undefined } } : { message: String((error as Error)?.stack ?? error) },
        );
      }
    });
  });
  server.requestTimeout = 0;
  rmSync(socketPath, { force: true });
  const umask = process.umask(0o177);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  process.umask(umask);
  chmodSync(socketPath, 0o600);
  return server;
}

/** A client whose methods are the calls. Rejects with code ENOENT or ECONNREFUSED when nobody listens. */
export function controlClient<T extends Api<T>>(socketPath: string): T {
  return new Proxy({} as T, {
    // Awaiting the client itself must not look like a call of "then".
    get: (_, method: string) => (method === "then" ? undefined : (input?: unknown) => call(socketPath, method, input)),
  });
}

/** Whether a call failed because nobody listened, or because the other side went away before it had answered. */
export function isCutOff(error: unknown): boolean {
  return ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"].includes((error as NodeJS.ErrnoException).code ?? "");
}

function call(socketPath: string, method: string, input: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path: `/${method}`, method: "POST", agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", reject);
      incoming.on("end", () => {
        const body = JSON.parse(Buffer.concat(chunks).toString() || "null") as { parts?: ErrorParts; message?: string };
        if (incoming.statusCode === 200) resolve(body);
        else reject(body.parts ? new LandfallError(body.parts) : new Error(`${method}: ${body.message}`));
      });
    });
    outgoing.on("error", reject);
    outgoing.end(JSON.stringify(input ?? null));
  });
}
