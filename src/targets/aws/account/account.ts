import type { Clock } from "../../../system/clock.ts";
import type { Clients } from "./clients.ts";

/** What calls on an account are made with. */
export interface Account {
  clients: Clients;
  clock: Clock;
  signal?: AbortSignal;
}
