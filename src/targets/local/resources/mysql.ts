// A MySQL that somebody else keeps: locally none is started.
import type { ConnectionOptions } from "mysql2/promise";
import { errnoOf } from "../../../error.ts";
import { portOf, type ResourceOf } from "../../../resources/index.ts";
import type { LocalResource } from "./local-resource.ts";

const ASK_TIMEOUT_MS = 5_000;

export const mysql: LocalResource<ResourceOf<"mysql">> = { ask: logIn };

const NO_TLS = "HANDSHAKE_NO_SSL_SUPPORT";
/** As MySQL's own clients do where they are told nothing. Which authority vouches for the server is known to the app. */
const PREFERRED: ConnectionOptions = { ssl: { rejectUnauthorized: false, verifyIdentity: false } };

/** With TLS where the server has it: users of whom it is demanded are answered as with a wrong password otherwise. */
async function logIn(url: string): Promise<void> {
  const login = loginOf(url);
  await connect({ ...login, ...PREFERRED }).catch((error) => {
    if (errnoOf(error).code !== NO_TLS) throw error;
    return connect(login);
  });
}

async function connect(login: ConnectionOptions): Promise<void> {
  const { createConnection } = await import("mysql2/promise");
  const connection = await createConnection(login);
  await connection.end();
}

function loginOf(url: string): ConnectionOptions {
  const { hostname, port, protocol, username, password, pathname } = new URL(url);
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port) || portOf(protocol),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)) || undefined,
    connectTimeout: ASK_TIMEOUT_MS,
  };
}
