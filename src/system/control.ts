// Calls between our own processes: one JSON request and one JSON answer, a line each, over a unix socket (0600). A connection serves one call.
// Who answers says a blank every second while a call takes its time. So a call may last for days, and one who is stopped or hangs is known in seconds.
import { chmodSync, existsSync, renameSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { codeOf, type ErrorParts, LandfallError, withoutSecrets } from "../error.ts";
import { type Hide, hidePasswords } from "../text/mask.ts";
import { describeDuration } from "../text/units.ts";
import { socketPathOf } from "./socket-path.ts";

const BLANK_EVERY_MS = 1_000;

/** A process that says nothing for so long is stopped or hangs: on a machine that is only busy its second comes late, but comes. */
export const SILENCE_MS = 10_000;

/** Within one silence it is looked so often whether anything was said. */
const LOOKS = 4;

/** An interface whose methods take one JSON value and return a promise of another. */
export type Api<T> = { [K in keyof T]: (input: never) => Promise<unknown> };

export interface ControlServer {
  /** Takes no more calls; `done` once those that it has are answered. */
  close(done?: () => void): void;
}

const LOOK_EVERY_MS = 1_000;

/**
 * Answers calls to `api` on a unix socket. One that a dead process left there is replaced, and one that somebody has removed is made again. What a
 * call fails with goes through `hide` before it is answered.
 */
export async function serveControl<T extends Api<T>>(socketPath: string, api: T, hide: Hide = hidePasswords): Promise<ControlServer> {
  const listen = () => listenAt(socketPathOf(socketPath), (line) => answer(api, line, hide));
  let server = await listen();
  const looking = setInterval(async () => {
    if (existsSync(socketPathOf(socketPath))) return;
    const former = server;
    await listen().then(
      (again) => {
        server = again;
        former.close();
      },
      // The next look tries again.
      () => {},
    );
  }, LOOK_EVERY_MS).unref();
  return {
    close(done) {
      clearInterval(looking);
      server.close(done);
    },
  };
}

/** Under a name of its own first, and moved: a predecessor that still finishes its calls removes the socket that it made, and no other. */
async function listenAt(socketPath: string, act: (request: Request) => Promise<Answer>): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    const request = await hear(socket, SILENCE_MS)
      .then((line): Request => JSON.parse(line))
      .catch(() => undefined);
    // Whoever asked may go away before the answer; what was asked for is done all the same.
    socket.on("error", () => {});
    if (request === undefined) return void socket.destroy();
    const blanks = setInterval(() => socket.write(" "), BLANK_EVERY_MS);
    socket.once("close", () => clearInterval(blanks));
    const answered = JSON.stringify(await act(request));
    clearInterval(blanks);
    socket.end(`${answered}\n`);
  });
  const own = join(dirname(socketPath), `.${process.pid}`);
  rmSync(own, { force: true });
  const umask = process.umask(0o177);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(own, resolve);
  }).finally(() => process.umask(umask));
  chmodSync(own, 0o600);
  renameSync(own, socketPath);
  return server;
}

interface Request {
  method: string;
  input: unknown;
}

interface Answer {
  value?: unknown;
  /** Of what the call failed with. */
  error?: { parts: ErrorParts } | { message: string };
}

async function answer<T extends Api<T>>(api: T, { method, input }: Request, hide: Hide): Promise<Answer> {
  try {
    const act: unknown = Reflect.get(api, method);
    return typeof act === "function" ? { value: (await act(input)) ?? null } : { error: { message: `no method ${method}` } };
  } catch (thrown) {
    const error = withoutSecrets(thrown, hide);
    if (error instanceof LandfallError) return { error: { parts: { ...error.parts, cause: undefined } } };
    return { error: { message: error instanceof Error ? (error.stack ?? String(error)) : String(error) } };
  }
}

/**
 * A client whose methods are the calls. Rejects with code ENOENT or ECONNREFUSED when nobody listens, and with ETIMEDOUT when whoever does
 * says nothing for `silenceMs`.
 */
export function controlClient<T extends Api<T>>(socketPath: string, { silenceMs = SILENCE_MS } = {}): T {
  return new Proxy({} as T, {
    // Awaiting the client itself must not look like a call of "then".
    get: (_, method: string) => (method === "then" ? undefined : (input?: unknown) => call({ socketPath, silenceMs }, { method, input })),
  });
}

/** Whether a call failed because nobody listened, or because the other side went away before it had answered. */
export function isCutOff(error: unknown): boolean {
  return ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(codeOf(error) ?? "");
}

/**
 * Whether a call failed because the other side, which is there, said nothing, or has not even taken those who called before. What was asked for
 * may be done all the same, later.
 */
export const isSilent = (error: unknown): boolean => ["ETIMEDOUT", "EAGAIN"].includes(codeOf(error) ?? "");

async function call(to: { socketPath: string; silenceMs: number }, { method, input }: Request): Promise<unknown> {
  const socket = connect({ path: to.socketPath, allowHalfOpen: true });
  socket.end(`${JSON.stringify({ method, input: input ?? null } satisfies Request)}\n`);
  const { value, error }: Answer = JSON.parse(await hear(socket, to.silenceMs));
  if (!error) return value;
  throw "parts" in error ? new LandfallError(error.parts) : new Error(`${method}: ${error.message}`);
}

/** The line that the other side says. A process that is killed may have said a part of it, or nothing. */
function hear(socket: Socket, silenceMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    // Counted in looks, not by a clock: after a sleep of our own, what came meanwhile is read before the next one.
    let quiet = 0;
    const looks = setInterval(() => ++quiet > LOOKS && socket.destroy(silent(silenceMs)), silenceMs / LOOKS);
    socket.on("data", (chunk) => {
      quiet = 0;
      chunks.push(chunk);
    });
    socket.once("error", reject);
    socket.once("close", () => {
      clearInterval(looks);
      reject(cutOff());
    });
    socket.once("end", () => {
      clearInterval(looks);
      const text = Buffer.concat(chunks).toString();
      if (text.endsWith("\n")) resolve(text);
      else reject(cutOff());
    });
  });
}

const cutOff = () => Object.assign(new Error("the other side went away before it had answered"), { code: "ECONNRESET" });

const silent = (silenceMs: number) =>
  Object.assign(new Error(`it said nothing for ${describeDuration(silenceMs)}: it is stopped, or hangs`), { code: "ETIMEDOUT" });
