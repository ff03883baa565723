// Look-ups of kinds: in one call with a filter where the service has one, one by one where it has not.
import { LandfallError } from "../../../../error.ts";
import type { ResourceState, ResourceStates } from "./resource-type.ts";

const GONE = /NotFound|NoSuch|Nonexist|NonExist|DoesNotExist/i;

/** What services say of something that is not there; each has a word of its own. */
export const isGone = (error: unknown): boolean => error instanceof Error && !(error instanceof LandfallError) && GONE.test(error.name);

/** Each by itself; `look` rejects for what is not there, or says undefined. */
export async function each(ids: string[], look: (id: string) => Promise<ResourceState | undefined>): Promise<ResourceStates> {
  const states: ResourceStates = new Map();
  for (const id of ids) {
    const state = await look(id).catch((error: unknown) => {
      if (isGone(error)) return undefined;
      throw error;
    });
    if (state) states.set(id, state);
  }
  return states;
}

/** In lots of at most so many, where one call takes no more. */
export const lotsOf = (ids: readonly string[], most: number): string[][] =>
  ids.length === 0 ? [] : [ids.slice(0, most), ...lotsOf(ids.slice(most), most)];

/** Each lot in one call, and what was said of all of them. */
export async function inLots(ids: readonly string[], most: number, look: (lot: string[]) => Promise<ResourceStates>): Promise<ResourceStates> {
  const states: ResourceStates = new Map();
  for (const lot of lotsOf(ids, most)) for (const [id, state] of await look(lot)) states.set(id, state);
  return states;
}

/** Rows of one answer, by their ids. A row without a state is not there any more. */
export const rows = <Row>(
  list: Row[] | undefined,
  describe: (row: Row) => [id: string | undefined, state: ResourceState | undefined],
): ResourceStates => new Map((list ?? []).map(describe).flatMap(([id, state]) => (id && state ? [[id, state] as const] : [])));

/** The day, as a person writes it in a list. */
export const day = (date: Date | undefined): string => date?.toISOString().slice(0, 10) ?? "";

export const tagsOf = (list: { Key?: string; Value?: string }[] | undefined) =>
  Object.fromEntries((list ?? []).map(({ Key = "", Value = "" }) => [Key, Value]));

export const leavingWhen = (leaving: boolean): ResourceState => (leaving ? { leaving } : {});
