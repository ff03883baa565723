// The strategies of a rollout, for everything that depends on one: both targets, the rehearsal, limits and cost. How a strategy is
// carried out is in steps.ts, and on AWS in rollout/stages.ts of that target. Pure.
import type { App, Service } from "../config/schema.ts";

export type Strategy = App["rollout"]["strategy"];

interface StrategyFacts {
  /** How many fleets of a web service can stand side by side. */
  fleets: 1 | 2 | 3;
  /** Whether a whole fleet comes up beside the old one, which stays warm for a while; else instances are replaced batch by batch. */
  besideOld: boolean;
  /** What is done instead with a release that has served before, and needs no proof. */
  forKnown: Strategy;
}

export const STRATEGIES: Readonly<Record<Strategy, StrategyFacts>> = {
  rolling: { fleets: 1, besideOld: false, forKnown: "rolling" },
  blueGreen: { fleets: 2, besideOld: true, forKnown: "blueGreen" },
  // The canary, its baseline, and what serves.
  canary: { fleets: 3, besideOld: true, forKnown: "blueGreen" },
};

/** `isNew`: the release has never served here. */
export const strategyFor = (strategy: Strategy, isNew: boolean): Strategy => (isNew ? strategy : STRATEGIES[strategy].forKnown);

/**
 * How many of `count` instances are replaced at a time: a share is rounded down, so that no more are away than was asked for, and one is
 * replaced at least.
 *
 * @example batchSize("50%", 3) // 1
 */
export function batchSize(batch: number | string, count: number): number {
  const size = typeof batch === "number" ? batch : Math.floor((count * Number.parseInt(batch, 10)) / 100);
  return Math.max(1, Math.min(size, count));
}

/** The order in which services are rolled out: those that answer requests first, and last those of which there are never two. */
export const inRolloutOrder = <S extends Pick<Service, "port" | "singleton">>(
  services: [name: string, service: S][],
): [name: string, service: S][] => {
  const rank = ([, { port, singleton }]: [string, S]) => (port ? 0 : singleton ? 2 : 1);
  return services.toSorted((a, b) => rank(a) - rank(b));
};
