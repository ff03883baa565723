// Performs the steps through a fleet, intent before each act and result after. When a step fails the way back is compiled
// from what stands then, so that it is right however far the rollout came.

import { LandfallError } from "../error.ts";
import type { Emit } from "../progress.ts";
import type { Journal } from "../state/journal.ts";
import { compileRollout, type Desired, describeStep, type Standing, type Step } from "./steps.ts";

/** What a target does for a rollout. Every method may be called again for an instance where it was done already. */
export interface Fleet {
  standing(): Promise<Standing[]>;
  /** Resolves when the instances allow it, or at the service's drain time-out. */
  ask(step: Extract<Step, { do: "ask" }>): Promise<void>;
  /** Resolves when all are healthy; rejects with a diagnosis as soon as one cannot become so. */
  start(step: Extract<Step, { do: "start" }>): Promise<void>;
  attach(ids: string[]): Promise<void>;
  drain(step: Extract<Step, { do: "drain" }>): Promise<void>;
  stop(step: Extract<Step, { do: "stop" }>): Promise<void>;
  keepWarm(step: Extract<Step, { do: "keepWarm" }>): Promise<void>;
}

export interface RolloutInput {
  fleet: Fleet;
  /** The fleet for going back: an interruption that ended the way there must not end the way back. Default: `fleet`. */
  wayBack?: Fleet;
  journal: Journal;
  desired: Desired;
  /** Where to go back to when it fails; absent for a first release, where going back means removing the new. */
  before?: Desired;
  emit: Emit;
  signal?: AbortSignal;
}

/** Goes to the desired release, or back to the one before and rejects with why. */
export async function runRollout(input: RolloutInput): Promise<void> {
  try {
    await runSteps(input, compileRollout(await input.fleet.standing(), input.desired), input.signal);
  } catch (error) {
    await goBack({ ...input, fleet: input.wayBack ?? input.fleet });
    throw error;
  }
}

async function goBack(input: RolloutInput): Promise<void> {
  input.emit({ type: "note", text: input.before ? `going back to release ${input.before.release}` : "removing what was started" });
  const back: Desired = input.before ? { ...input.before, strategy: "rolling", batch: "100%" } : { ...input.desired, services: [] };
  await runSteps(input, compileRollout(await input.fleet.standing(), back));
}

async function runSteps({ fleet, journal, emit }: RolloutInput, steps: Step[], signal?: AbortSignal): Promise<void> {
  for (const step of steps) {
    if (signal?.aborted) throw interrupted();
    const text = describeStep(step);
    const done = journal.intend(text);
    emit({ type: "started", step: text, text });
    const from = performance.now();
    await perform(fleet, step);
    done();
    emit({ type: "finished", step: text, text, durationMs: Math.round(performance.now() - from) });
  }
}

function perform(fleet: Fleet, step: Step): Promise<void> {
  switch (step.do) {
    case "ask":
      return fleet.ask(step);
    case "start":
      return fleet.start(step);
    case "attach":
      return fleet.attach(step.ids);
    case "drain":
      return fleet.drain(step);
    case "stop":
      return fleet.stop(step);
    case "keepWarm":
      return fleet.keepWarm(step);
  }
}

const interrupted = () =>
  new LandfallError({
    code: "INTERRUPTED",
    what: "the rollout was interrupted",
    standing: "The release before serves all traffic; the new one was stopped.",
  });
