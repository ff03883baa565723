// Generated environments on AWS that are free of contradictions, and what runs in them. LANDFALL_SEED gives other ones.
import fc from "fast-check";
import type { Deployment } from "../../../../src/config/deployment.ts";
import { LandfallError } from "../../../../src/error.ts";
import type { Running } from "../../../../src/targets/aws/templates/index.ts";
import { assertWithinLimits } from "../../../../src/targets/aws/templates/shared/quotas.ts";
import { generatedAwsApp } from "../../../config/arbitraries.ts";
import { CONTAINERS, EXISTING, FULL, production, runningIn, SMALL } from "./apps.ts";

export interface Case {
  /** Names the case in messages. */
  name: string;
  deployment: Deployment;
  running: Running;
}

const SEED = Number(process.env.LANDFALL_SEED ?? 20_260);
const COUNT = 40;

function tryProduction(input: unknown): Deployment[] {
  try {
    const deployment = production(input);
    assertWithinLimits(deployment);
    return [deployment];
  } catch (error) {
    if (error instanceof LandfallError) return [];
    throw error;
  }
}

/** The two examples, and generated environments: every third without a release yet. */
export function makeCases(): Case[] {
  const examples = [SMALL, FULL, CONTAINERS, EXISTING].flatMap((input) => {
    const deployment = production(input);
    return [
      { name: deployment.app, deployment, running: runningIn(deployment) },
      { name: `${deployment.app} without a release`, deployment, running: {} },
    ];
  });
  const apps = fc.sample(generatedAwsApp, { seed: SEED, numRuns: COUNT * 6 }).flatMap(tryProduction);
  const generated = apps.slice(0, COUNT).map((deployment, index) => ({
    name: `generated ${index + 1} of seed ${SEED}`,
    deployment,
    running: index % 3 === 0 ? {} : runningIn(deployment),
  }));
  if (generated.length < COUNT) throw new Error(`only ${generated.length} of the generated apps are free of contradictions`);
  return [...examples, ...generated];
}
