// Deploys under streams of jobs: what a worker has in hand when it is asked to stop it finishes, whatever kind of program it is.
import { afterAll, beforeAll, expect, it } from "vitest";
import { isOnPath } from "../programs.ts";
import { hasPython } from "../python.ts";
import { requires } from "../skips.ts";
import { type Kind, openWorkers, type Tally, type Workers } from "./workers.ts";

/** npm and the other shell are in the bench. */
const kinds: Kind[] = ["celery", "sqs", "rq", "node", "wrapped", "dash"];
const ROLLOUTS = 2;
const MINUTES = 60_000;

requires("python3 with venv, redis-server and dash", hasPython() && ["redis-server", "dash"].every(isOnPath))("jobs", () => {
  let workers: Workers;
  let tallies: Record<Kind, Tally>;

  beforeAll(async () => {
    workers = await openWorkers(kinds);
    for (let rollout = 0; rollout < ROLLOUTS; rollout++) await workers.rollOut();
    tallies = await workers.count();
  }, 10 * MINUTES);
  afterAll(() => workers?.close());

  it.each(kinds)("of %s are done once, all of them", (kind) => {
    const { sent } = tallies[kind];
    expect(tallies[kind]).toEqual({ sent, finished: sent, lost: [], twice: [] });
    expect(sent).toBeGreaterThan(ROLLOUTS);
  });
});
