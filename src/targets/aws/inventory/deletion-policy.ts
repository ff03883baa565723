// Decides what happens to a resource when its environment is removed. Pure.
import type { AccountResource } from "./account-resource.ts";

export interface DeletionChoice {
  /** Keep what holds the app's data. */
  keepData: boolean;
  /** Ids of what may go although it holds data. */
  confirmed: readonly string[];
  /** No other environment of the app stands in this region: what they share goes too. */
  last: boolean;
}

export type Deletion = { deleted: true } | { deleted: false; why: string };

/** Undefined for what other environments still share: nothing is to be said of it. */
export function decideDeletion({ kind, id, owner, until }: AccountResource, { keepData, confirmed, last }: DeletionChoice): Deletion | undefined {
  if (owner === "app" && !last) return undefined;
  if (until !== undefined)
    return { deleted: false, why: `AWS removes it by itself on ${new Date(until).toISOString().slice(0, 10)}; it costs nothing` };
  if (confirmed.includes(id)) return { deleted: true };
  if (kind.keeps === "unless named") return { deleted: false, why: `it holds data, and ${kind.cost}; it goes with --confirm-remove ${id}` };
  if (kind.keeps === "with the data" && keepData) return { deleted: false, why: `it is kept with the data, and ${kind.cost}` };
  return { deleted: true };
}

export const isDeleted =
  (choice: DeletionChoice) =>
  (resource: AccountResource): boolean =>
    decideDeletion(resource, choice)?.deleted === true;
