// The requests by which Landfall itself asks an instance something. All are made here, so that none forgets the name that the app answers to.
import { type ClientRequest, request } from "node:http";

export interface InstanceQuestion {
  /** Where it is asked; this machine when left out. */
  address?: string;
  port: number;
  path: string;
  /** The `Host` of the request (`health.host`); undefined where the app answers to any. Never left out: whoever asks has to know. */
  host: string | undefined;
  method?: "GET" | "POST";
  /** Who asks: the `User-Agent`. */
  by: string;
  signal?: AbortSignal;
}

/** Not sent until it is ended. On a connection of its own: one that was kept may lead to what was there before. */
export const askInstance = ({ address = "127.0.0.1", port, path, host, method = "GET", by, signal }: InstanceQuestion): ClientRequest =>
  request({ host: address, port, path, method, agent: false, signal, headers: { "user-agent": by, ...(host === undefined ? {} : { host }) } });
