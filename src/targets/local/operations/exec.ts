// A command run by hand, in the folder of a release and with the variables of a service. It is a child of this very process, whose terminal,
// streams and signals it has: nothing stands between the two, and nothing of what it prints is kept.
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Release } from "../../../release/release.ts";
import type { ExecReport } from "../../../reports.ts";
import { attend, attendedOf } from "../../../system/attend.ts";
import { isRunning } from "../../../system/processes.ts";
import { describeUser } from "../../../system/user.ts";
import { assertKnown, instanceUnreachable, notDeployed } from "../../preconditions.ts";
import type { ExecOptions } from "../../target.ts";
import type { Context } from "../context.ts";
import { assertDataPresentOf } from "../data/data-record.ts";
import { openSecrets } from "../data/secret-store.ts";
import { RUN_VARIABLE } from "../processes/process-tree.ts";
import { type EnvironmentRecord, loadRecord, recordEvent } from "../record.ts";
import { findRelease, listReleases, loadRelease } from "../releases/release-store.ts";
import { aloneOnShared } from "../releases/shared.ts";
import { onceSpec } from "../rollout/instances.ts";
import { beginSession } from "../sessions.ts";
import type { ProcessRecord, ProcessSpec } from "../supervisor/api.ts";
import { observeKept } from "../supervisor/records.ts";

export async function exec(context: Context, service: string, argv: string[], options: ExecOptions): Promise<ExecReport> {
  const record = loadRecord(context);
  const place = await aloneOnShared(context, () => {
    const chosen = choosePlace({ context, record }, service, options.instance);
    return { ...chosen, session: beginSession(context.paths, chosen.release.processes) };
  });
  const { release, instance, session } = place;
  try {
    const spec = onceSpec({ context, record, release }, { id: instance?.spec.id ?? session.id, argv, service });
    assertDataPresentOf(context.paths, spec);
    const env = { ...variablesOf(context, spec, options), ...(instance?.port && { PORT: String(instance.port) }) };
    // Arguments may hold secrets.
    recordEvent(context, "exec", `${describeUser()} runs "${basename(argv[0] ?? "")}" as ${instance?.spec.id ?? service}`, release.id);
    const end = await attend(
      { argv: isThere(spec, argv[0]) ? spec.argv : argv, cwd: spec.cwd, env: { ...env, [RUN_VARIABLE]: join(context.paths.runs, session.id, "1") } },
      attendedOf(options),
    );
    return { ...(instance && { instance: instance.spec.id }), release: release.id, ...end };
  } finally {
    session.end();
  }
}

/** Of a program that is not there it is said so, and not that what stands before it found none. */
const isThere = ({ cwd, env }: ProcessSpec, program = ""): boolean =>
  (program.includes("/") ? [""] : (env.PATH ?? "").split(":")).some((folder) => existsSync(resolve(cwd, folder, program)));

interface Place {
  release: Release;
  instance?: ProcessRecord;
}

/** As an instance of the release that serves; without one, of the newest release that is here, so that a first deploy that failed can be mended. */
function choosePlace({ context, record }: Site, service: string, wanted: string | undefined): Place {
  const { paths, deployment } = context;
  const serving = record.release === undefined ? undefined : loadRelease(paths, record.release);
  const instances = observeKept(paths).filter(({ spec, group }) => spec.kind === "instance" && spec.service === service && group && isRunning(group));
  const named = wanted === undefined ? undefined : instances.find(({ spec: { id } }) => id === wanted || id.startsWith(`${wanted}.`));
  const release =
    named && named.spec.release !== serving?.processes ? findRelease(paths, named.spec.release ?? "") : (serving ?? listReleases(paths)[0]);
  assertKnown(service, Object.keys((release ?? deployment).services));
  if (!release) throw notDeployed(deployment.environment);
  if (wanted !== undefined && !named)
    throw instanceUnreachable(deployment.environment, service, { wanted, standing: [...new Set(instances.map(({ spec }) => spec.id))] });
  if (!record.release) context.emit({ type: "warning", text: `no release serves yet: release ${release.id} is used, the newest that is here` });
  return { release, instance: named ?? instances.find(({ spec, traffic }) => spec.release === release.processes && traffic === "attached") };
}

interface Site {
  context: Context;
  record: EnvironmentRecord;
}

function variablesOf({ paths }: Context, spec: ProcessSpec, { terminal }: ExecOptions): Record<string, string> {
  const secrets = openSecrets(paths);
  const revealed = Object.entries(spec.secretEnv).map(([variable, name]) => [variable, secrets.reveal(name)]);
  return { ...(terminal !== undefined && { TERM: terminal }), ...spec.env, ...Object.fromEntries(revealed) };
}
