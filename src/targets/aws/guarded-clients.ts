// Clients that ask first, before each call that changes something: an operation may have lost its lease since the call before.
import { type Clients, isReading } from "./account/clients.ts";

type Client = Awaited<ReturnType<Clients[keyof Clients]>>;

/** `guard` rejects when nothing may be changed any more; then the call is not made. */
export const guardClients = (clients: Clients, guard: () => Promise<void>): Clients =>
  Object.fromEntries(Object.entries(clients).map(([name, open]) => [name, async () => guardClient(await open(), guard)])) as Clients;

const guardClient = (client: Client, guard: () => Promise<void>): Client =>
  new Proxy(client, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (isReading(String(name))) return member.bind(target);
      return async (...input: unknown[]) => {
        await guard();
        return member.apply(target, input);
      };
    },
  });
