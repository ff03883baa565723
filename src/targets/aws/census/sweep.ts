// Removes things that the census found: in the order of their kinds, and again and again, because AWS lets go of one only when the other
// has left.
import { LandfallError } from "../../../error.ts";
import { pollEvery } from "../cloudformation/poll.ts";
import { makeTurns } from "../cloudformation/turns.ts";
import { KINDS } from "./kinds/index.ts";
import { isGone } from "./kinds/look.ts";
import { describeThing, type Kind, type Survey, type Thing } from "./thing.ts";

const AT_ONCE = 6;
/** With pauses that grow to five seconds: a minute without any progress, and a quarter of an hour in all. */
const STALLED_MAX = 15;
const ROUNDS_MAX = 180;

/** Resolves when none of them is there any more. Errors: LEFT_BEHIND with AWS's own words, AWS_*, INTERRUPTED. */
export async function sweep(survey: Survey, things: readonly Thing[]): Promise<void> {
  if (things.length === 0) return;
  const reasons = new Map<string, string>();
  let left = [...things];
  let stalled = 0;
  let rounds = 0;
  for await (const _ of pollEvery(survey.context)) {
    await removeAll(survey, left, reasons);
    const still = await lookAgain(survey, left);
    for (const one of left) if (!still.some(({ kind, id }) => kind === one.kind && id === one.id)) say(survey, one);
    stalled = still.length < left.length || still.some(({ leaving }) => leaving) ? 0 : stalled + 1;
    left = still;
    if (left.length === 0) return;
    if (stalled >= STALLED_MAX || ++rounds >= ROUNDS_MAX) throw leftBehind(survey, left, reasons);
  }
}

const say = ({ context }: Survey, thing: Thing) => context.emit({ type: "note", text: `removed ${describeThing(thing)}` });

const byKind = (things: readonly Thing[]): [Kind, Thing[]][] =>
  KINDS.flatMap((kind): [Kind, Thing[]][] => {
    const own = things.filter((thing) => thing.kind === kind);
    return own.length > 0 ? [[kind, own]] : [];
  });

async function removeAll(survey: Survey, things: readonly Thing[], reasons: Map<string, string>): Promise<void> {
  const turn = makeTurns(AT_ONCE);
  for (const [kind, own] of byKind(things.filter(({ leaving }) => !leaving))) {
    const outcomes = await Promise.allSettled(own.map(({ id }) => turn(() => kind.remove(survey, id))));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled" || isGone(outcome.reason)) continue;
      // What a service says of its own things is mostly that something else still uses it, and passes.
      if (!(outcome.reason instanceof Error) || outcome.reason instanceof LandfallError) throw outcome.reason;
      reasons.set((own[index] as Thing).id, outcome.reason.message);
    }
  }
}

async function lookAgain(survey: Survey, things: readonly Thing[]): Promise<Thing[]> {
  const lists = await Promise.all(
    byKind(things).map(async ([kind, own]) => {
      const states = await kind.look(
        survey,
        own.map(({ id }) => id),
      );
      return own.flatMap(({ of, id, tags }): Thing[] => {
        const state = states.get(id);
        // One that only waits for its day is as good as gone.
        return state && state.until === undefined ? [{ ...state, kind, id, of, tags }] : [];
      });
    }),
  );
  return lists.flat();
}

export const leftBehind = ({ environment }: Survey, left: readonly Thing[], reasons: ReadonlyMap<string, string> = new Map()) =>
  new LandfallError({
    code: "LEFT_BEHIND",
    what: `environment "${environment}" is not completely gone from the account`,
    evidence: left.map((thing): [string, string] => ["left", [describeThing(thing), reasons.get(thing.id)].filter(Boolean).join(": ")]),
    standing: "What could be removed was removed.",
    next: `landfall resume ${environment}   once the cause is gone`,
  });
