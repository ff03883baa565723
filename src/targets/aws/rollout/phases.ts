// The release phase on AWS: migrations, once per release, on a machine of their own with the rights of a service.
import { type DeployedService, serviceOf } from "../../../config/deployment.ts";
import { LandfallError } from "../../../error.ts";
import type { TaskWork } from "../../../machine/index.ts";
import { during } from "../../../progress.ts";
import { phaseService } from "../../../routing/placement.ts";
import { quote } from "../../../text/shell.ts";
import { describeDuration } from "../../../text/units.ts";
import { wayOutOfExpand } from "../../preconditions.ts";
import { databasesOf, type EnvironmentRecord, hasExpanded, loadRecord, processesOf, writeRecord } from "../record.ts";
import { architectureOf } from "../releases/architecture.ts";
import type { OneOffTask, ReleaseContext, TaskReport } from "../releases/driver.ts";
import type { Images } from "../releases/image.ts";
import { runOneOffTask } from "../releases/one-off-task.ts";
import type { StoredRelease } from "../releases/stored-release.ts";
import { resourcesText } from "../resources/index.ts";
import { secretPath } from "../templates/shared/names.ts";
import { servingFleet } from "../templates/shared/running.ts";

type Phase = "expand" | "contract";

/** `timeout` ends a command that runs on with this status, or that of the kill after it. */
const TIMED_OUT = [124, 137];
const STEP = "release phase";

/**
 * Runs `expand`, then asks whether the release that serves still can. Where it has run before, what serves has met it, and the way out is forward.
 * Errors: MIGRATION_FAILED, MIGRATION_TIMED_OUT, EXPAND_BROKE_RELEASE.
 */
export async function runExpand(context: ReleaseContext, stored: StoredRelease, images: Images): Promise<void> {
  const { processes: id } = stored.release;
  if (!stored.release.release.expand) return;
  const on = databasesOf(context.deployment, context.driver.outputs);
  const without = (record: EnvironmentRecord) => record.expanded.filter(({ release }) => release !== id);
  const noted = (record: EnvironmentRecord) => ({ ...record, expanded: [...without(record), { release: id, on }] });
  if (hasExpanded(await loadRecord(context.driver.objects, context.deployment.environment), id, on)) return;
  await runPhase(context, { stored, images, phase: "expand", noted });
  await checkServing(context, stored);
}

const CHECKS = 3;

/** One instance of each web service, from its own machine: one answer that passes is enough. */
async function checkServing(context: ReleaseContext, stored: StoredRelease): Promise<void> {
  const { fleets } = context.driver;
  const [{ running }, instances] = await Promise.all([fleets.observe(), fleets.serving(stored.release.processes)]);
  const firsts = instances.filter(({ service }, index) => instances.findIndex((other) => other.service === service) === index);
  const serving = firsts.flatMap(({ service, instance }) => {
    const settings = servingFleet(running[service] ?? {})?.settings;
    // Beside a container nobody of ours can ask it; the balancer does, and takes it out of service when it fails.
    return settings?.port === undefined || settings.container ? [] : [{ instance, settings }];
  });
  await Promise.all(serving.map((checked) => checkInstance(context, stored, checked)));
}

interface Checked {
  instance: string;
  /** Those of the release that serves. */
  settings: DeployedService;
}

async function checkInstance(context: ReleaseContext, { release }: StoredRelease, { instance, settings: { health, port } }: Checked): Promise<void> {
  const asked = `http://127.0.0.1:${port}${health.path}`;
  const host = health.host === undefined ? "" : `-H ${quote(`Host: ${health.host}`)} `;
  const script = `for i in $(seq ${CHECKS}); do curl -s -o /dev/null -m ${Math.ceil(health.timeout / 1000)} -w '%{http_code}\\n' ${host}${quote(asked)}; sleep 0.3; done`;
  const answers = (await context.driver.fleets.run(instance, script)).trim().split("\n");
  if (answers.some((status) => Number(status) >= health.status.from && Number(status) <= health.status.to)) return;
  throw new LandfallError({
    code: "EXPAND_BROKE_RELEASE",
    what: `"${instance}" does not pass its health check any more since the release phase of ${release.id} ran`,
    evidence: [["asked", `GET ${asked}`], ...answers.map((status): [string, string] => ["answered", status === "000" ? "nothing" : status])],
    why: `"${release.release.expand}" changed something that the release which serves cannot live with`,
    standing: `The rollout did not begin; the release phase has run. "${instance}" still gets what requests it can answer.`,
    next: wayOutOfExpand(context.deployment.environment),
  });
}

/** Runs `contract` unless it has run. From then on no release before it can come back. */
export async function runContract(context: ReleaseContext, stored: StoredRelease, images: Images): Promise<void> {
  const { processes: id } = stored.release;
  const on = databasesOf(context.deployment, context.driver.outputs);
  const noted = (record: EnvironmentRecord) => ({
    ...record,
    contracted: { release: id, bars: record.rolledOut.map((other) => processesOf(record, other)).filter((other) => other !== id), on },
  });
  await runPhase(context, { stored, images, phase: "contract", noted });
}

interface PhaseInput {
  stored: StoredRelease;
  images: Images;
  phase: Phase;
  /** The record once it has run. */
  noted(record: EnvironmentRecord): EnvironmentRecord;
}

async function runPhase(context: ReleaseContext, input: PhaseInput): Promise<void> {
  const { deployment, driver } = context;
  const { stored, phase, noted } = input;
  const command = stored.release.release[phase] as string;
  const service = phaseService(deployment);
  const done = async (report: TaskReport) => {
    if (!report.ok) throw phaseFailed(context, input, report);
    // While its machine or its task is there: whoever takes this up again finds the end in one place or the other, and never runs it twice.
    await writeRecord(driver.objects, deployment.environment, noted(await loadRecord(driver.objects, deployment.environment)));
    return "release phase done";
  };
  await during(context.emit, STEP, `release phase: ${command}`, async () => {
    const image = stored.containers[service];
    if (!deployment.services[service]?.container || !driver.containers || image === undefined)
      return runOneOffTask(context, phaseTask(context, input, { service, command }), done);
    const { release } = stored;
    return done(await driver.containers.run({ release, image, service, phase, command, timeoutMs: release.release.timeout }));
  });
}

function phaseTask(
  context: ReleaseContext,
  { stored: { release, artifact }, images, phase }: PhaseInput,
  { service, command }: { service: string; command: string },
): OneOffTask {
  const { environment } = context.deployment;
  const settings = serviceOf(context.deployment, service);
  const architecture = architectureOf(settings.machine.types[0] as string);
  return {
    work: phaseWork(context, {
      release: artifact,
      command,
      timeoutMs: release.release.timeout,
      secrets: settings.secrets,
      variables: release.services[service]?.environment ?? {},
    }),
    about: `${environment}-${phase}-${release.id}`,
    step: STEP,
    timeoutMs: release.release.timeout,
    architecture,
    image: images[architecture],
    service,
    tags: { "landfall:environment": environment, "landfall:release": release.id },
  };
}

type PhaseWork = Extract<TaskWork, { kind: "phase" }>;

const phaseWork = ({ deployment, driver }: ReleaseContext, work: Omit<PhaseWork, "kind" | "settings">): PhaseWork => ({
  ...work,
  kind: "phase",
  settings: {
    app: deployment.app,
    environment: deployment.environment,
    secretsPath: secretPath(deployment.app, deployment.environment, ""),
    resources: resourcesText(deployment, (...output) => driver.outputs.get("data", ...output)),
  },
});

function phaseFailed({ deployment }: ReleaseContext, { stored: { release }, phase }: PhaseInput, { step = "", code = 1, tail }: TaskReport) {
  const command = release.release[phase] as string;
  const late = step === command && TIMED_OUT.includes(code);
  const what = `the ${phase === "expand" ? "release phase" : "contract phase"} of release ${release.id}`;
  return new LandfallError({
    code: late ? "MIGRATION_TIMED_OUT" : "MIGRATION_FAILED",
    what: late ? `${what} took longer than its time budget` : `${what} failed`,
    evidence: [
      ["command", command],
      ["ended", late ? `still running after ${describeDuration(release.release.timeout)}, stopped` : `status ${code} at: ${step}`],
      ...tail.slice(-8).map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
    ],
    standing: `The rollout did not begin, and the machine of the phase is terminated. Environment "${deployment.environment}" serves what it served before.`,
  });
}
