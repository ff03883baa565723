// One-off tasks: what a machine of its own does for minutes: making an image, building a release, running a release phase. The machine reports
// into the artifact bucket and ends itself by its own clock; we watch, pass its output on, and end it in any case. Killed meanwhile, the
// next run finds the machine by the task's name and goes on watching.
import { randomUUID } from "node:crypto";
import { LandfallError } from "../../../error.ts";
import { taskScript } from "../../../machine/index.ts";
import { describeDuration } from "../../../text/units.ts";
import { KNOWN_AFTER_MS } from "../account/known.ts";
import { pollEvery } from "../account/poll.ts";
import type { OneOffTask, ReleaseContext, TaskMachine, TaskReport } from "./driver.ts";

/** A machine that was asked for and is not there after this time was lost. */
const BOOT_MINUTES = 10;

/**
 * Runs a task, or goes on with the one of the same name that is under way, and gives its report to `use` while its machine still
 * stands. The machine is gone when this returns or throws. Errors: TASK_LOST when the machine ended without a report, INTERRUPTED, AWS_*.
 */
export async function runOneOffTask<T>(
  context: ReleaseContext,
  task: OneOffTask,
  use: (report: TaskReport, machine: TaskMachine) => Promise<T>,
): Promise<T> {
  const { tasks } = context.driver;
  const machine = (await tasks.find(taskName(task))) ?? (await start(context, task));
  try {
    return await use(await watch(context, task, machine), machine);
  } finally {
    await tasks.end(machine);
  }
}

/** Ends what a run that was killed left of a task. A machine that has been ended may be listed for some seconds more. */
export async function endTask(context: ReleaseContext, name: string): Promise<void> {
  const { tasks } = context.driver;
  for await (const _ of pollEvery(context)) {
    const machine = await tasks.find(name);
    if (!machine) return;
    await tasks.end(machine);
  }
}

export const taskName = ({ work, about }: { work: { kind: string }; about: string }): string => `${work.kind}-${about}`;

async function start({ driver: { tasks, bucket, region }, emit }: ReleaseContext, task: OneOffTask): Promise<TaskMachine> {
  const name = taskName(task);
  const id = `${name}-${randomUUID().slice(0, 8)}`;
  const minutesMax = BOOT_MINUTES + Math.ceil(task.timeoutMs / 60_000);
  const machine = await tasks.start(task, { id, name, userData: taskScript({ ...task.work, id, bucket, region, minutesMax }) });
  emit({ type: "output", step: task.step, line: `machine ${machine.instance} starts` });
  return machine;
}

async function watch(context: ReleaseContext, task: OneOffTask, machine: TaskMachine): Promise<TaskReport> {
  const { clock, driver } = context;
  const from = clock.now();
  const timeMs = BOOT_MINUTES * 60_000 + task.timeoutMs;
  const showOutput = outputOf(context, task, machine);
  for await (const _ of pollEvery(context)) {
    // Looked at before the report: what ended has written its report by then.
    const state = await driver.tasks.observe(machine);
    await showOutput();
    const report = await driver.objects.find(`reports/${machine.id}/result.json`);
    if (report !== undefined) return parseReport(report);
    if (state.is === "off" || (state.is === "unknown" && clock.now() - from > KNOWN_AFTER_MS))
      throw await lost(context, { task, machine, why: `the machine is ${state.word}` });
    if (clock.now() - from > timeMs) throw await lost(context, { task, machine, why: `nothing was heard of it for ${describeDuration(timeMs)}` });
  }
  throw new TypeError("polling ended by itself");
}

/** Passes on what the machine prints, as it grows in the bucket. */
function outputOf({ driver: { objects }, emit }: ReleaseContext, { step }: OneOffTask, { id }: TaskMachine): () => Promise<void> {
  let shown = 0;
  return async () => {
    const output = (await objects.find(`reports/${id}/output.txt`)) ?? "";
    // A line that is still being written is shown once it is whole.
    const end = output.lastIndexOf("\n") + 1;
    for (const line of output.slice(shown, Math.max(shown, end)).split("\n")) if (line) emit({ type: "output", step, line });
    shown = Math.max(shown, end);
  };
}

function parseReport(text: string): TaskReport {
  const { ok, step, code, tail, sha256 } = JSON.parse(text) as Partial<TaskReport>;
  return {
    ok: ok === true,
    tail: (tail ?? []).map(String),
    ...(step === undefined ? {} : { step }),
    ...(code === undefined ? {} : { code }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
}

interface Lost {
  task: OneOffTask;
  machine: TaskMachine;
  why: string;
}

async function lost({ driver: { tasks } }: ReleaseContext, { task, machine, why }: Lost): Promise<LandfallError> {
  const lines = await tasks.lastLines(machine);
  return new LandfallError({
    code: "TASK_LOST",
    what: `machine "${machine.instance}" ended its task "${task.work.kind}" without a report`,
    why,
    evidence: lines.map((line, index): [string, string] => [index === 0 ? "console" : "", line]),
    standing: "The machine is terminated. The live release is not affected.",
    next: "run the command again",
  });
}
