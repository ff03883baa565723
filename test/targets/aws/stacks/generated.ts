// Generated environments on AWS that are free of contradictions, and what runs in them. LANDFALL_SEED gives other ones.
import fc from "fast-check";
import type { EnvironmentApp } from "../../../../src/config/app.ts";
import { LandfallError } from "../../../../src/error.ts";
import { refuseBeyondLimits } from "../../../../src/targets/aws/limits.ts";
import type { Running } from "../../../../src/targets/aws/stacks/index.ts";
import { generatedAwsApp } from "../../../config/arbitraries.ts";
import { CONTAINERS, FULL, production, runningIn, SMALL } from "./apps.ts";

export interface Case {
  /** Names the case in messages. */
  name: string;
  app: EnvironmentApp;
  running: Running;
}

const SEED = Number(process.env.LANDFALL_SEED ?? 20_260);
const COUNT = 40;

function tryProduction(input: unknown): EnvironmentApp[] {
  try {
    const app = production(input);
    refuseBeyondLimits(app);
    return [app];
  } catch (error) {
    if (error instanceof LandfallError) return [];
    throw error;
  }
}

/** The two examples, and generated environments: every third without a release yet. */
export function makeCases(): Case[] {
  const examples = [SMALL, FULL, CONTAINERS].flatMap((input) => {
    const app = production(input);
    return [
      { name: app.app.name, app, running: runningIn(app) },
      { name: `${app.app.name} without a release`, app, running: {} },
    ];
  });
  const apps = fc.sample(generatedAwsApp, { seed: SEED, numRuns: COUNT * 6 }).flatMap(tryProduction);
  const generated = apps.slice(0, COUNT).map((app, index) => ({
    name: `generated ${index + 1} of seed ${SEED}`,
    app,
    running: index % 3 === 0 ? {} : runningIn(app),
  }));
  if (generated.length < COUNT) throw new Error(`only ${generated.length} of the generated apps are free of contradictions`);
  return [...examples, ...generated];
}
