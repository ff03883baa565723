// The release phase on AWS: migrations, once per release, on a machine of their own with the rights of a service.
import { describeDuration } from "../../../config/units.ts";
import { LandfallError } from "../../../error.ts";
import { errandScript } from "../../../machine/index.ts";
import { during } from "../../../progress.ts";
import type { Context } from "../context.ts";
import { webServices } from "../routes.ts";
import { secretPath } from "../stacks/names.ts";
import { resourcesText } from "../stacks/settings.ts";
import { type ErrandReport, runErrand } from "./errand.ts";
import type { Images } from "./image.ts";
import { type EnvironmentRecord, loadRecord, writeRecord } from "./record.ts";
import { architectureOf, type Site, serviceMachine } from "./site.ts";
import type { StoredRelease } from "./store.ts";

export type Phase = "expand" | "contract";

/** `timeout` ends a command that runs on with this status, or that of the kill after it. */
const TIMED_OUT = [124, 137];
const BOOT_MINUTES = 10;

/** Runs `expand` unless it has run for this release. Errors: MIGRATION_FAILED, MIGRATION_TIMED_OUT. */
export async function runExpand(context: Context, site: Site, stored: StoredRelease, images: Images): Promise<void> {
  const { id } = stored.release;
  if (!stored.release.release.expand || (await loadRecord(context, site.bucket)).expanded.includes(id)) return;
  await runPhase(context, site, stored, images, "expand", (record) => ({ ...record, expanded: [...record.expanded, id] }));
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
  { release, artifact }: StoredRelease,
  images: Images,
  phase: Phase,
  noted: (record: EnvironmentRecord) => EnvironmentRecord,
): Promise<void> {
  const { app, name } = context.app;
  const { timeout } = release.release;
  const command = release.release[phase] as string;
  const service = webServices(app)[0] ?? (Object.keys(app.services)[0] as string);
  const settings = app.services[service];
  const image = images[architectureOf(settings?.machine.types[0] as string)] as string;
  const region = await (await context.clients.ec2()).config.region();
  await during(context.emit, "release phase", `release phase: ${command}`, () =>
    runErrand(
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
            secrets: settings?.secrets ?? [],
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
      async (report) => {
        if (!report.ok) throw phaseFailed(context, release.id, phase, command, report, timeout);
        // While its machine stands: whoever takes this up again finds the end in one place or the other, and never runs it twice.
        await writeRecord(context, site.bucket, noted(await loadRecord(context, site.bucket)));
        return "release phase done";
      },
    ),
  );
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
