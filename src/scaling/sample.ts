// Measurements of a service, compared with the targets in the configuration.
import type { Scaling } from "../config/schema.ts";
import { describeDuration } from "../text/units.ts";

/** One look at a service. A measure that could not be taken is absent, which is never the same as none. */
export interface Sample {
  /** Milliseconds since 1970. */
  at: number;
  /** How many instances were wanted then. */
  count: number;
  /** Percent of the processor that the whole fleet used: 250 is two and a half cores. */
  cpu?: number;
  /** Per second, of the whole fleet. */
  requests?: number;
  queue?: QueueSample;
}

export interface QueueSample {
  /** Messages that nobody has taken yet. */
  waiting: number;
  /** Messages that an instance has taken and not deleted. */
  inHand: number;
  /** Per second, by the whole fleet. */
  deleted: number;
  /** How long one instance takes for one message; absent until it is known. */
  processingMs?: number;
}

/** The newest look weighs so much: messages that take longer than from one look to the next come in lumps. */
const NEWEST_WEIGHS = 0.3;

/**
 * How long one instance takes for one message. It can only be seen while messages wait, since only then is every instance busy;
 * what was seen is remembered until it can be seen again. Undefined until then.
 */
export function learnProcessing(before: Sample | undefined, now: Sample): number | undefined {
  const processingMs = before?.queue?.processingMs;
  if (!before?.queue?.waiting || !now.queue?.waiting || before.count * now.count === 0) return processingMs;
  const seenPerSecond = now.queue.deleted / Math.min(before.count, now.count);
  if (processingMs === undefined) return seenPerSecond > 0 ? 1_000 / seenPerSecond : undefined;
  return 1_000 / ((1_000 / processingMs) * (1 - NEWEST_WEIGHS) + seenPerSecond * NEWEST_WEIGHS);
}

/** How one measure stands: per instance for CPU (percent) and requests (per second), of the whole queue for latency (milliseconds). */
export interface Reading {
  measure: "cpu" | "requests" | "queue";
  /** Absent when it is not known. */
  value?: number;
  target: number;
  /** `CPU 43 % of 60 %` */
  text: string;
}

/** Every measure that the configuration names, as the sample has it. */
export function readSample(sample: Sample | undefined, scaling: Scaling): Reading[] {
  const { cpu, requests, queue } = scaling;
  const perInstance = (total: number | undefined) => (total === undefined ? undefined : total / Math.max(1, sample?.count ?? 1));
  return [
    ...(cpu === undefined ? [] : [reading("cpu", perInstance(sample?.cpu), cpu, (value) => `CPU ${rounded(value)} % of ${cpu} %`)]),
    ...(requests === undefined
      ? []
      : [reading("requests", perInstance(sample?.requests), requests, (value) => `requests ${rounded(value)}/s of ${requests}/s per instance`)]),
    ...(queue ? [readQueue(sample, queue)] : []),
  ];
}

const NAMES = { cpu: "CPU", requests: "requests", queue: "queue" };

const reading = (measure: Reading["measure"], value: number | undefined, target: number, describe: (value: number) => string): Reading => ({
  measure,
  value,
  target,
  text: value === undefined ? `${NAMES[measure]} not measured` : describe(value),
});

function readQueue(sample: Sample | undefined, { resource, latency, processing }: NonNullable<Scaling["queue"]>): Reading {
  if (!sample?.queue) return { measure: "queue", target: latency, text: `queue ${resource} not measured` };
  const { waiting, processingMs } = sample.queue;
  const perMessage = processing ?? processingMs;
  const value = waiting === 0 ? 0 : perMessage === undefined ? undefined : (waiting * perMessage) / Math.max(1, sample.count);
  const wait =
    value === undefined ? "" : `, ${describeDuration(value < 1_000 ? value : Math.round(value / 1_000) * 1_000)} of ${describeDuration(latency)}`;
  return { measure: "queue", value, target: latency, text: `queue ${resource} ${waiting} waiting${wait}` };
}

const rounded = (value: number): number => (value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
