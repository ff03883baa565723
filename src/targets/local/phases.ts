// The release phase: migrations, once per release. `expand` runs before any traffic moves, and what serves must be able to live with
// it; `contract` runs when nothing could go back any more.
import { describeDuration } from "../../config/units.ts";
import { LandfallError } from "../../error.ts";
import { during } from "../../progress.ts";
import type { Release } from "../../release/release.ts";
import type { Journal } from "../../state/journal.ts";
import { type Context, type EnvironmentRecord, loadRecord, recordEvent, writeRecord } from "./context.ts";
import { checkHealth } from "./diagnosis/probe.ts";
import { onceSpec } from "./instances.ts";
import { loadRelease } from "./releases.ts";
import type { Exit, SupervisorApi } from "./supervisor/api.ts";
import { describeExit } from "./supervisor/supervised.ts";

type Phase = "expand" | "contract";

interface PhaseInput {
  context: Context;
  journal: Journal;
  supervisor: SupervisorApi;
  release: Release;
}

/** Runs `expand` unless it has run for this release, then asks whether the release that serves still can. */
export async function runExpand(input: PhaseInput): Promise<void> {
  const { context, journal, release } = input;
  if (!release.release.expand) return;
  const { expanded } = loadRecord(context);
  if (!expanded.includes(release.id)) await runPhase(input, "expand", (record) => ({ ...record, expanded: [...record.expanded, release.id] }));
  await journal.perform("check the release that serves against the expanded schema", () => checkServing(input));
}

/** Runs `contract` of the release that serves unless it has run. From then on no release before it can come back. */
export async function runContract(input: PhaseInput): Promise<void> {
  const { id } = input.release;
  await runPhase(input, "contract", (record) => ({
    ...record,
    contracted: { release: id, bars: record.rolledOut.slice(0, record.rolledOut.indexOf(id)) },
  }));
}

export const hasContracted = ({ contracted }: EnvironmentRecord, release: Release): boolean => contracted?.release === release.id;

async function runPhase(
  { context, journal, supervisor, release }: PhaseInput,
  phase: Phase,
  noted: (record: EnvironmentRecord) => EnvironmentRecord,
) {
  const command = release.release[phase];
  if (!command) return;
  const spec = onceSpec(context, loadRecord(context), release, `release.${phase}.${release.id}`, ["/bin/sh", "-c", command]);
  await during(context.emit, "release phase", `release phase: ${command}`, async () => {
    const from = context.clock.now();
    await journal.perform(`release phase ${phase} ${release.id}`, async () => {
      const { exit, timedOut } = await supervisor.run({ spec, timeoutMs: release.release.timeout });
      // Noted before it is forgotten: whoever takes this up again finds its end in one place or the other, and never runs it twice.
      if (exit.code === 0 && !timedOut) writeRecord(context.places, noted(loadRecord(context)));
      await supervisor.forget({ id: spec.id });
      if (timedOut || exit.code !== 0) throw migrationFailed(context, release, phase, command, exit, timedOut);
    });
    recordEvent(context, phase, `${phase} of release ${release.id} took ${describeDuration(context.clock.now() - from)}`, release.id);
    return "release phase done";
  });
}

function migrationFailed(context: Context, release: Release, phase: Phase, command: string, exit: Exit, timedOut: boolean) {
  const ended = timedOut ? `still running after ${describeDuration(release.release.timeout)}, stopped` : describeExit(exit);
  const { release: serving } = loadRecord(context);
  const served = serving ? `Release ${serving} is still serving all traffic.` : "No release is serving yet.";
  return new LandfallError({
    code: timedOut ? "MIGRATION_TIMED_OUT" : "MIGRATION_FAILED",
    what: `the ${phase === "expand" ? "release phase" : "contract phase"} of release ${release.id} ${timedOut ? "took longer than its time budget" : "failed"}`,
    evidence: [
      ["command", command],
      ["process", ended],
      ...exit.lastLines.slice(-8).map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
    ],
    standing: phase === "expand" ? `The rollout did not begin. ${served}` : served,
    next: `landfall logs ${context.app.name} release --release ${release.id}`,
  });
}

const CHECKS = 3;
const BETWEEN_CHECKS_MS = 300;

/** One answer that passes is enough: an instance that is busy may miss one, a schema it cannot live with fails all. */
async function checkServing({ context, supervisor, release }: PhaseInput): Promise<void> {
  const { processes } = await supervisor.observe();
  const serving = processes.filter(({ spec, traffic, port }) => traffic === "attached" && port && spec.release !== release.id);
  await Promise.all(
    serving.map(async ({ spec, port }) => {
      const { health } = loadRelease(context.places, spec.release ?? "").services[spec.service ?? ""] ?? {};
      if (!health) return;
      const answers: string[] = [];
      for (let round = 0; round < CHECKS; round++) {
        if (round > 0) await context.clock.sleep(BETWEEN_CHECKS_MS, context.signal);
        const attempt = await checkHealth(port ?? 0, health);
        if (attempt.passed) return;
        answers.push(attempt.answer);
      }
      throw brokeServing(context, release, spec.id, `GET http://127.0.0.1:${port}${health.path}`, answers);
    }),
  );
}

const brokeServing = (context: Context, release: Release, id: string, asked: string, answers: string[]) =>
  new LandfallError({
    code: "EXPAND_BROKE_RELEASE",
    what: `"${id}" does not pass its health check any more since the release phase of ${release.id} ran`,
    evidence: [["asked", asked], ...answers.map((answer): [string, string] => ["answered", answer])],
    why: `"${release.release.expand}" changed something that the release which serves cannot live with`,
    standing: `The rollout did not begin; the release phase has run. "${id}" still gets what requests it can answer.`,
    next: `landfall logs ${context.app.name} --instance ${id}`,
  });
