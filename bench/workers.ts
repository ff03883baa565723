// Rollouts under streams of jobs: what becomes of the jobs that workers have in hand when they are asked to stop. Prints for each kind of
// worker the jobs that were sent, finished, lost (begun and never done, or never begun) and begun twice.
// npm run build && npx jiti bench/workers.ts [rollouts] [kind,...]
import { KINDS, type Kind, openWorkers } from "../test/end-to-end/workers.ts";

const rollouts = Number(process.argv[2] ?? 50);
const kinds = (process.argv[3]?.split(",") ?? Object.keys(KINDS)) as Kind[];
const workers = await openWorkers(kinds);
try {
  const tookMs: number[] = [];
  for (let rollout = 1; rollout <= rollouts; rollout++) {
    tookMs.push(await workers.rollOut());
    console.error(`rollout ${rollout} of ${rollouts}: ${((tookMs.at(-1) ?? 0) / 1000).toFixed(1)} s`);
  }
  const tallies = await workers.count();
  console.log(`${rollouts} rollouts of ${kinds.length} workers, ${(tookMs.reduce((sum, ms) => sum + ms, 0) / rollouts / 1000).toFixed(1)} s each`);
  console.log(["kind", "sent", "finished", "lost", "twice"].map((word) => word.padEnd(10)).join(""));
  for (const [kind, { sent, finished, lost, twice }] of Object.entries(tallies))
    console.log([kind, sent, finished, lost.length, twice.length].map((value) => String(value).padEnd(10)).join(""));
  process.exitCode = Object.values(tallies).some(({ lost }) => lost.length > 0) ? 1 : 0;
} finally {
  await workers.close();
}
