// The release phase on AWS: migrations, once per release, on a machine of their own with the rights of a service.
import type { Service } from "../../../config/schema.ts";
import { describeDuration } from "../../../config/units.ts";
import { LandfallError } from "../../../error.ts";
import { errandScript } from "../../../machine/index.ts";
import { during } from "../../../progress.ts";
import type { Context } from "../context.ts";
import { quote, runOn } from "../exec.ts";
import { phaseService } from "../routes.ts";
import { secretPath } from "../stacks/names.ts";
import { resourcesText } from "../stacks/settings.ts";
import { observeStatus } from "../status.ts";
import { type ErrandReport, runErrand } from "./errand.ts";
import type { Images } from "./image.ts";
import { type EnvironmentRecord, loadRecord, writeRecord } from "./record.ts";
import { architectureOf, type Site, serviceMachine } from "./site.ts";
import type { StoredRelease } from "./store.ts";
import { runTaskPhase } from "./task-phase.ts";

export type Phase = "expand" | "contract";

/** `timeout` ends a command that runs on with this status, or that of the kill after it. */
const TIMED_OUT = [124, 137];
const BOOT_MINUTES = 10;

/**
 * Runs `expand` unless it has run for this release, then asks whether the release that serves still can.
 * Errors: MIGRATION_FAILED, MIGRATION_TIMED_OUT, EXPAND_BROKE_RELEASE.
 */
export async function runExpand(context: Context, site: Site, stored: StoredRelease, images: Images): Promise<void> {
  const { id } = stored.release;
  if (!stored.release.release.expand) return;
  if (!(await loadRecord(context, site.bucket)).expanded.includes(id))
    await runPhase(context, site, stored, images, "expand", (record) => ({ ...record, expanded: [...record.expanded, id] }));
  await checkServing(context, stored);
}

const CHECKS = 3;
const CHECK_SECONDS = 30;

/** One instance of each web service, from its own machine: one answer that passes is enough. */
async function checkServing(context: Context, { release }: StoredRelease): Promise<void> {
  const { services } = await observeStatus(context);
  const serving = services.flatMap(({ name, instances }) => {
    const settings = context.app.app.services[name];
    const machine = instances.find(({ state, release: runs }) => state === "healthy" && runs !== release.id);
    // Beside a container nobody of ours can ask it; the balancer does, and takes it out of service when it fails.
    return settings?.port === undefined || settings.container || !machine ? [] : [{ machine: machine.id, settings, port: settings.port }];
  });
  await Promise.all(
    serving.map(async ({ machine, settings: { health }, port }) => {
      const asked = `http://127.0.0.1:${port}${health.path}`;
      const script = `for i in $(seq ${CHECKS}); do curl -s -o /dev/null -m ${Math.ceil(health.timeout / 1000)} -w '%{http_code}\\n' ${quote(asked)}; sleep 0.3; done`;
      const { stdout } = await runOn(context, machine, { script, about: `landfall checks ${context.app.name}`, seconds: CHECK_SECONDS });
      const answers = stdout.trim().split("\n");
      if (answers.some((status) => Number(status) >= health.status.from && Number(status) <= health.status.to)) return;
      throw new LandfallError({
        code: "EXPAND_BROKE_RELEASE",
        what: `"${machine}" does not pass its health check any more since the release phase of ${release.id} ran`,
        evidence: [["asked", `GET ${asked}`], ...answers.map((status): [string, string] => ["answered", status === "000" ? "nothing" : status])],
        why: `"${release.release.expand}" changed something that the release which serves cannot live with`,
        standing: `The rollout did not begin; the release phase has run. "${machine}" still gets what requests it can answer.`,
        next: `landfall logs ${context.app.name} --instance ${machine}`,
      });
    }),
  );
}

/** Runs `contract` unless it has run. From then on no release before it can come back. */
export async function runContract(context: Context, site: Site, stored: StoredRelease, images: Images): Promise<void> {
  const { id } = stored.release;
  await runPhase(context, site, stored, images, "contract", (record) => ({
    ...record,
    contracted: { release: id, bars: record.rolledOut.filter((other) => other !== id) },
  }));
}

async function runPhase(
  context: Context,
  site: Site,
  stored: StoredRelease,
  images: Images,
  phase: Phase,
  noted: (record: EnvironmentRecord) => EnvironmentRecord,
): Promise<void> {
  const { app, name } = context.app;
  const { release, artifact } = stored;
  const { timeout } = release.release;
  const command = release.release[phase] as string;
  const service = phaseService(app);
  const settings = app.services[service] as Service;
  const done = async (report: ErrandReport) => {
    if (!report.ok) throw phaseFailed(context, release.id, phase, command, report, timeout);
    // While its machine or its task is there: whoever takes this up again finds the end in one place or the other, and never runs it twice.
    await writeRecord(context, site.bucket, noted(await loadRecord(context, site.bucket)));
    return "release phase done";
  };
  await during(context.emit, "release phase", `release phase: ${command}`, async () => {
    if (settings.container) return done(await runTaskPhase(context, site, stored, { service, phase, command, timeoutMs: timeout }));
    const image = images[architectureOf(settings.machine.types[0] as string)] as string;
    const region = await (await context.clients.ec2()).config.region();
    return runErrand(
      context,
      {
        kind: "phase",
        about: `${name}-${phase}-${release.id}`,
        step: "release phase",
        bucket: site.bucket,
        machine: serviceMachine(context, site, service, image),
        script: (id) =>
          errandScript({
            kind: "phase",
            id,
            bucket: site.bucket,
            region,
            minutesMax: BOOT_MINUTES + Math.ceil(timeout / 60_000),
            release: artifact,
            command,
            timeoutMs: timeout,
            secrets: settings.secrets,
            settings: {
              app: app.name,
              environment: name,
              secretsPath: secretPath(app.name, name, ""),
              resources: resourcesText(context.app, (output) => site.look("data", output)),
            },
          }),
        timeoutMs: timeout,
        tags: { "landfall:environment": name, "landfall:release": release.id },
      },
      done,
    );
  });
}

function phaseFailed(
  { app }: Context,
  release: string,
  phase: Phase,
  command: string,
  { step = "", code = 1, tail }: ErrandReport,
  timeoutMs: number,
) {
  const late = step === command && TIMED_OUT.includes(code);
  const what = `the ${phase === "expand" ? "release phase" : "contract phase"} of release ${release}`;
  return new LandfallError({
    code: late ? "MIGRATION_TIMED_OUT" : "MIGRATION_FAILED",
    what: late ? `${what} took longer than its time budget` : `${what} failed`,
    evidence: [
      ["command", command],
      ["ended", late ? `still running after ${describeDuration(timeoutMs)}, stopped` : `status ${code} at: ${step}`],
      ...tail.slice(-8).map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
    ],
    standing: `The rollout did not begin, and the machine of the phase is terminated. Environment "${app.name}" serves what it served before.`,
  });
}
