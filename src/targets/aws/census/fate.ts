// What happens to a thing when its environment goes. Pure.
import type { Thing } from "./thing.ts";

export interface Choice {
  /** Keep what holds the app's data. */
  keepData: boolean;
  /** Ids of what may go although it holds data. */
  confirmed: readonly string[];
  /** No other environment of the app stands in this region: what they share goes too. */
  last: boolean;
}

export type Fate = { goes: true } | { goes: false; why: string };

/** Undefined for what other environments still share: nothing is to be said of it. */
export function decideFate({ kind, id, of, until }: Thing, { keepData, confirmed, last }: Choice): Fate | undefined {
  if (of === "app" && !last) return undefined;
  if (until !== undefined) return { goes: false, why: `AWS removes it by itself on ${new Date(until).toISOString().slice(0, 10)}; it costs nothing` };
  if (confirmed.includes(id)) return { goes: true };
  if (kind.keeps === "unless named") return { goes: false, why: `it holds data, and ${kind.cost}; it goes with --confirm-remove ${id}` };
  if (kind.keeps === "with the data" && keepData) return { goes: false, why: `it is kept with the data, and ${kind.cost}` };
  return { goes: true };
}

export const goesWith =
  (choice: Choice) =>
  (thing: Thing): boolean =>
    decideFate(thing, choice)?.goes === true;
