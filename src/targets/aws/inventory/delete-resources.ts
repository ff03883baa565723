// Removes what the inventory found: in the order of their kinds, and again and again, because AWS lets go of one only when the other
// has left.

import pLimit from "p-limit";
import { LandfallError } from "../../../error.ts";
import { pollEvery } from "../account/poll.ts";
import { isGone } from "../resource-types/entry/lookup.ts";
import type { Discovery, ResourceKind } from "../resource-types/entry/resource-type.ts";
import { RESOURCE_KINDS } from "../resource-types/index.ts";
import { type AccountResource, describeResource } from "./account-resource.ts";

const AT_ONCE = 6;
/** With pauses that grow to five seconds: a minute without any progress, and a quarter of an hour in all. */
const STALLED_MAX = 15;
const ROUNDS_MAX = 180;

/** Resolves when none of them is there any more. Errors: LEFT_BEHIND with AWS's own words, AWS_*, INTERRUPTED. */
export async function deleteResources(discovery: Discovery, resources: readonly AccountResource[]): Promise<void> {
  if (resources.length === 0) return;
  const reasons = new Map<string, string>();
  let left = [...resources];
  let stalled = 0;
  let rounds = 0;
  for await (const _ of pollEvery(discovery.context)) {
    await removeAll(discovery, left, reasons);
    const still = await lookAgain(discovery, left);
    for (const resource of left)
      if (!still.some(({ kind, id }) => kind === resource.kind && id === resource.id)) announceRemoval(discovery, resource);
    stalled = still.length < left.length || still.some(({ leaving }) => leaving) ? 0 : stalled + 1;
    left = still;
    if (left.length === 0) return;
    if (stalled >= STALLED_MAX || ++rounds >= ROUNDS_MAX) throw leftBehind(discovery, left, reasons);
  }
}

const announceRemoval = ({ context }: Discovery, resource: AccountResource) =>
  context.emit({ type: "note", text: `removed ${describeResource(resource)}` });

const byKind = (resources: readonly AccountResource[]): [ResourceKind, AccountResource[]][] =>
  RESOURCE_KINDS.flatMap((kind): [ResourceKind, AccountResource[]][] => {
    const ofKind = resources.filter((resource) => resource.kind === kind);
    return ofKind.length > 0 ? [[kind, ofKind]] : [];
  });

async function removeAll(discovery: Discovery, resources: readonly AccountResource[], reasons: Map<string, string>): Promise<void> {
  const limit = pLimit(AT_ONCE);
  for (const [kind, own] of byKind(resources.filter(({ leaving }) => !leaving))) {
    const failed = new Map<string, unknown>();
    const remove = ({ id }: AccountResource) => limit(() => kind.remove(discovery, id)).catch((error: unknown) => failed.set(id, error));
    await Promise.all(own.map(remove));
    for (const { id } of own) {
      const error = failed.get(id);
      if (error === undefined || isGone(error)) continue;
      // What a service says of its own things is mostly that something else still uses it, and passes.
      if (!(error instanceof Error) || error instanceof LandfallError) throw error;
      reasons.set(id, error.message);
    }
  }
}

async function lookAgain(discovery: Discovery, resources: readonly AccountResource[]): Promise<AccountResource[]> {
  const lists = await Promise.all(
    byKind(resources).map(async ([kind, own]) => {
      const states = await kind.look(
        discovery,
        own.map(({ id }) => id),
      );
      return own.flatMap(({ owner, id, tags }): AccountResource[] => {
        const state = states.get(id);
        // One that only waits for its day is as good as gone.
        return state && state.until === undefined ? [{ ...state, kind, id, owner, tags }] : [];
      });
    }),
  );
  return lists.flat();
}

export const leftBehind = ({ environment }: Discovery, left: readonly AccountResource[], reasons: ReadonlyMap<string, string> = new Map()) =>
  new LandfallError({
    code: "LEFT_BEHIND",
    what: `environment "${environment}" is not completely gone from the account`,
    evidence: left.map((resource): [string, string] => ["left", [describeResource(resource), reasons.get(resource.id)].filter(Boolean).join(": ")]),
    standing: "What could be removed was removed.",
    next: `landfall resume ${environment}   once the cause is gone`,
  });
