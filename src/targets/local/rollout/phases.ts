// The release phase: migrations, once per release. `expand` runs before any traffic moves, and what serves must be able to live with
// it; `contract` runs when nothing could go back any more.

import { LandfallError } from "../../../error.ts";
import { during } from "../../../progress.ts";
import type { Release } from "../../../release/release.ts";
import { phaseService } from "../../../routing/placement.ts";
import type { Journal } from "../../../state/journal.ts";
import { excerptOf } from "../../../text/excerpt.ts";
import { describeDuration, describeElapsed } from "../../../text/units.ts";
import { wayOutOfExpand } from "../../preconditions.ts";
import type { Context } from "../context.ts";
import type { PhaseRun } from "../data/data-record.ts";
import { explainRefusal } from "../diagnosis/describe.ts";
import { checkHealth } from "../diagnosis/probe.ts";
import { loadRecord, recordEvent } from "../record.ts";
import { findRelease, releasesByProcesses } from "../releases/release-store.ts";
import { folderOf } from "../releases/surroundings.ts";
import type { Exit, SupervisorApi } from "../supervisor/api.ts";
import { describeExit } from "../supervisor/managed-process.ts";
import { phaseSpec } from "./instances.ts";
import { hasRun, keepPhase } from "./phase-memory.ts";

interface PhaseInput {
  context: Context;
  journal: Journal;
  supervisor: SupervisorApi;
  release: Release;
}

/** Runs `expand`, then asks whether the release that serves still can. Where it has run before, what serves has met it, and the way out is forward. */
export async function runExpand(input: PhaseInput, ran: PhaseRun[]): Promise<void> {
  const { journal, release } = input;
  if (!release.release.expand || hasRun(ran, "expand", release.processes)) return;
  await runPhase(input, "expand");
  await journal.perform("check the release that serves against the expanded schema", () => checkServing(input));
}

/** Runs `contract` of the release that serves unless it has run. From then on no release before it can come back. */
export async function runContract(input: PhaseInput): Promise<void> {
  const { context, release } = input;
  const { rolledOut } = loadRecord(context);
  const before = rolledOut.slice(0, rolledOut.indexOf(release.id)).map((id) => findRelease(context.paths, id)?.processes ?? id);
  await runPhase(
    input,
    "contract",
    [...new Set(before)].filter((processes) => processes !== release.processes),
  );
}

async function runPhase(input: PhaseInput, phase: PhaseRun["phase"], bars?: string[]) {
  const { context, journal, supervisor, release } = input;
  const command = release.release[phase];
  if (!command) return;
  const spec = phaseSpec({ context, record: loadRecord(context), release }, { id: `release.${phase}.${release.processes}`, command });
  await during(context.emit, "release phase", `release phase: ${command}`, async () => {
    const from = context.clock.now();
    await journal.perform(`release phase ${phase} ${release.id}`, async () => {
      const ended = await supervisor.run({ spec, timeoutMs: release.release.timeout });
      // Noted before it is forgotten: whoever takes this up again finds its end in one place or the other, and never runs it twice.
      if (hasSucceeded(ended)) await keepPhase(context, { phase, release: release.processes, at: context.clock.now(), bars });
      await supervisor.forget({ id: spec.id });
      if (!hasSucceeded(ended)) throw migrationFailed(input, phase, ended);
    });
    recordEvent(context, phase, `${phase} of release ${release.id} took ${describeElapsed(context.clock.now() - from)}`, release.id);
    return "release phase done";
  });
}

interface PhaseEnd {
  exit: Exit;
  timedOut: boolean;
}

const hasSucceeded = ({ exit, timedOut }: PhaseEnd): boolean => exit.code === 0 && !timedOut;

function migrationFailed({ context, release }: PhaseInput, phase: PhaseRun["phase"], { exit, timedOut }: PhaseEnd) {
  const refusal = explainRefusal(exit.lastLines, folderOf(context.paths, release), phaseService(release));
  const ended = timedOut ? `still running after ${describeDuration(release.release.timeout)}, stopped` : describeExit(exit);
  const { release: serving } = loadRecord(context);
  const served = serving ? `Release ${serving} still gets all traffic.` : "No release is serving yet.";
  return new LandfallError({
    code: timedOut ? "MIGRATION_TIMED_OUT" : "MIGRATION_FAILED",
    what: `the ${phase === "expand" ? "release phase" : "contract phase"} of release ${release.id} ${timedOut ? "took longer than its time budget" : "failed"}`,
    evidence: [
      ["command", release.release[phase] ?? ""],
      ["process", ended],
      ...excerptOf(exit.lastLines, 8).map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
    ],
    why: refusal?.why,
    standing: phase === "expand" ? `The rollout did not begin. ${served}` : served,
    next: refusal?.next ?? `landfall logs ${context.deployment.environment} release --release ${release.id}`,
  });
}

const CHECKS = 3;
const BETWEEN_CHECKS_MS = 300;

/** One answer that passes is enough: an instance that is busy may miss one, a schema it cannot live with fails all. */
async function checkServing(input: PhaseInput): Promise<void> {
  const { context, supervisor, release } = input;
  const { processes } = await supervisor.observe();
  const releases = releasesByProcesses(context.paths, loadRecord(context));
  const serving = processes.filter(({ spec, traffic, port }) => traffic === "attached" && port && spec.release !== release.processes);
  await Promise.all(
    serving.map(async ({ spec, port }) => {
      const { health } = releases.get(spec.release ?? "")?.services[spec.service ?? ""] ?? {};
      if (!health) return;
      const answers: [string, string][] = [];
      for (let round = 0; round < CHECKS; round++) {
        if (round > 0) await context.clock.sleep(BETWEEN_CHECKS_MS, context.signal);
        const attempt = await checkHealth(port ?? 0, health);
        if (attempt.passed) return;
        answers.push(["answered", attempt.answer]);
      }
      throw brokeServing(input, spec.id, [["asked", `GET http://127.0.0.1:${port}${health.path}`], ...answers]);
    }),
  );
}

const brokeServing = ({ context, release }: PhaseInput, id: string, evidence: [string, string][]) =>
  new LandfallError({
    code: "EXPAND_BROKE_RELEASE",
    what: `"${id}" does not pass its health check any more since the release phase of ${release.id} ran`,
    evidence,
    why: `"${release.release.expand}" changed something that the release which serves cannot live with`,
    standing: `The rollout did not begin; the release phase has run. "${id}" still gets what requests it can answer.`,
    next: wayOutOfExpand(context.deployment.environment),
  });
