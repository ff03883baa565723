// Decides the number of instances. Pure: what was measured goes in, a number and its reason come out.
//
// Out quickly, in slowly. A measure asks for as many instances as bring it to its target; three looks must agree, by their median, so that
// one spike decides nothing. Instances go only when every look of the whole `cooldown.in` would have been well with fewer, and well
// means a tenth below the target: after a step down the measure is then still on the near side of what asks for a step up, so a steady
// load settles and stays. What was not measured never takes an instance away.
import type { Scaling, Service } from "../config/schema.ts";
import { readSample, type Sample } from "./sample.ts";

export interface ScalingSettings {
  scaling: Scaling;
  instances: Service["instances"];
}

/** How it stands as the question is asked. */
export interface Moment {
  /** How many instances are wanted now. */
  count: number;
  /** Milliseconds since 1970. */
  now: number;
}

export interface Decision {
  count: number;
  /** `CPU 83 % of 60 %` */
  why: string;
}

/** How many looks decide about more instances. */
const LOOKS = 3;
/** Fewer instances must keep a measure below this part of its target. */
const STEADY = 0.9;
/** 3 × 0.6 / 0.6 is a little more than 3 for a computer. */
const ROUNDING = 1e-9;

/** In instances: how many the sample needs, and how many it could do with. Undefined when it was not measured. */
interface Need {
  out: number;
  keep: number;
}
type Measure = (sample: Sample) => Need | undefined;

/**
 * The number of instances to go to, or undefined to stay.
 *
 * @param history oldest first, without holes in time; the last one was taken just now. Older ones than `cooldown.in` and the longer
 * of the two are not needed.
 */
export function decide(history: readonly Sample[], settings: ScalingSettings, { count, now }: Moment): Decision | undefined {
  const { min, max } = settings.instances;
  if (count < min) return { count: min, why: `at least ${min} are configured` };
  if (count > max) return { count: max, why: `at most ${max} are configured` };
  return scaleOut(history, settings, { count, now }) ?? scaleIn(history, settings, { count, now });
}

/** How much history `decide` looks at. */
export const historyMs = ({ cooldown }: Scaling): number => Math.max(cooldown.in, cooldown.out);

function scaleOut(history: readonly Sample[], { scaling, instances }: ScalingSettings, { count, now }: Moment): Decision | undefined {
  const hasJustGrown = history.some((sample) => sample.at > now - scaling.cooldown.out && sample.count < count);
  const looks = history.slice(-LOOKS);
  if (hasJustGrown || looks.length < LOOKS) return undefined;
  const asked = measuresOf(scaling).map((measure) => {
    const needs = looks.map(measure).filter((need) => need !== undefined);
    return needs.length < looks.length ? 0 : median(needs.map(({ out }) => out));
  });
  const most = Math.max(...asked);
  const next = Math.min(instances.max, whole(most));
  if (next <= count) return undefined;
  return { count: next, why: textOf(history, scaling, asked.indexOf(most)) };
}

function scaleIn(history: readonly Sample[], { scaling, instances }: ScalingSettings, { count, now }: Moment): Decision | undefined {
  const from = now - scaling.cooldown.in;
  const window = history.filter(({ at }) => at > from);
  // Without a look from before it nobody knows what the beginning of the window was like.
  const isWhole = window.length > 0 && history.some(({ at }) => at <= from);
  if (!isWhole || window.some((sample) => sample.count !== count)) return undefined;
  const kept = measuresOf(scaling).map((measure) => Math.max(...window.map((sample) => measure(sample)?.keep ?? Number.POSITIVE_INFINITY)));
  const most = Math.max(...kept);
  const next = Math.max(instances.min, whole(most));
  if (next >= count) return undefined;
  return { count: next, why: textOf(history, scaling, kept.indexOf(most)) };
}

const textOf = (history: readonly Sample[], scaling: Scaling, measure: number): string => readSample(history.at(-1), scaling)[measure]?.text ?? "";

/** In the order of `readSample`. */
function measuresOf({ cpu, requests, queue }: Scaling): Measure[] {
  return [
    ...(cpu === undefined ? [] : [(sample: Sample) => track(sample.cpu, cpu)]),
    ...(requests === undefined ? [] : [(sample: Sample) => track(sample.requests, requests)]),
    ...(queue ? [(sample: Sample) => needOfQueue(sample, queue)] : []),
  ];
}

const track = (total: number | undefined, target: number): Need | undefined =>
  total === undefined ? undefined : { out: total / target, keep: total / (target * STEADY) };

/**
 * Enough that the last message in line gets its turn in time: each instance may have `latency / processing` messages before it. An
 * empty line alone says little, since it is empty just because there are instances enough; so what they get done counts for keeping them.
 */
function needOfQueue({ queue, count }: Sample, { latency, processing }: NonNullable<Scaling["queue"]>): Need | undefined {
  if (!queue) return undefined;
  const { waiting, inHand, deleted } = queue;
  const perMessage = processing ?? queue.processingMs;
  // Not known yet: step by step. One more while messages wait, one less while none do; either teaches it.
  if (perMessage === undefined)
    return waiting > 0 ? { out: count + 1, keep: count } : { out: 0, keep: deleted > 0 || inHand > 0 ? Math.max(1, count - 1) : 0 };
  const forLine = (waiting * perMessage) / latency;
  const busy = (deleted * perMessage) / 1_000;
  const someone = waiting + inHand > 0 ? 1 : 0;
  return { out: Math.max(forLine, waiting > 0 ? 1 : 0), keep: Math.max(Math.max(forLine, busy) / STEADY, someone) };
}

const whole = (need: number): number => Math.ceil(need - ROUNDING);

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
