// Where an environment is to be: its ports and its TLS. Looks, and takes nothing yet.
import { existsSync } from "node:fs";
import { messageOf } from "../../../error.ts";
import { findFreePort, tryListening } from "../../../system/network.ts";
import { isDamaged } from "../../../system/state-file.ts";
import type { Context } from "../context.ts";
import { assertKeepable } from "../data/retained-data.ts";
import { portTaken } from "../ports/port-taken.ts";
import { keptPorts } from "../ports/resource-port.ts";
import { type EnvironmentRecord, findRecord } from "../record.ts";
import { findRelease } from "../releases/release-store.ts";
import { wantedEntrance } from "../rollout/balancer-config.ts";
import { loadEdge } from "../supervisor/records.ts";
import { pidFileOf } from "../supervisor/start.ts";

/** One that is damaged is made anew, from what the balancer was told last. */
export function findReadable({ paths, emit }: Context): EnvironmentRecord | undefined {
  try {
    return findRecord(paths);
  } catch (error) {
    if (!isDamaged(error)) throw error;
    emit({ type: "warning", text: `${messageOf(error)}: it is written anew` });
    return undefined;
  }
}

/** Where it is to be, once it is known that it can be there. */
export async function takePlace(context: Context, before: EnvironmentRecord | undefined, keepEntrance: boolean): Promise<EnvironmentRecord> {
  assertKeepable(context.paths);
  const record = before ? await atEntrance(context, before, keepEntrance ? before : wantedEntrance(context, before)) : await makeRecord(context);
  await assertPortsFree(context, record);
  return record;
}

async function makeRecord(context: Context): Promise<EnvironmentRecord> {
  const taken = keptPorts(context.paths);
  // Of an environment whose record is lost: where it was, and what served.
  const edge = loadEdge(context.paths);
  const port = context.deployment.settings.port || (edge?.port ?? (await findFreePort(taken)));
  const release = edge?.release && findRelease(context.paths, edge.release)?.id;
  return {
    app: context.deployment.app,
    environment: context.deployment.environment,
    folder: context.folder,
    commissionedAt: context.clock.now(),
    port,
    metricsPort: edge?.metricsPort ?? (await findFreePort(taken.add(port))),
    tls: context.deployment.settings.tls,
    resources: [],
    variables: { env: {}, secretEnv: {} },
    ...(release ? { release } : {}),
    rolledOut: release ? [release] : [],
    counts: {},
  };
}

async function atEntrance(
  context: Context,
  record: EnvironmentRecord,
  { port, tls }: Pick<EnvironmentRecord, "port" | "tls">,
): Promise<EnvironmentRecord> {
  const metricsPort = record.metricsPort === port ? await findFreePort(keptPorts(context.paths).add(port)) : record.metricsPort;
  return { ...record, port, tls, metricsPort };
}

export const portsOf = ({ port, metricsPort }: EnvironmentRecord): number[] => [port, metricsPort];

/** While nothing of the environment runs, whatever listens there is somebody else's; later only the supervisor can tell. */
async function assertPortsFree(context: Context, record: EnvironmentRecord): Promise<void> {
  if (existsSync(pidFileOf(context.paths))) return;
  for (const port of portsOf(record)) {
    const refusal = await tryListening(port);
    if (!refusal) continue;
    throw portTaken({ port, owner: `environment "${context.deployment.environment}"` }, refusal, {
      standing: "Nothing was changed.",
      next: `stop that process, or set another port for "${context.deployment.environment}" under environments (0 for any free one)`,
    });
  }
}
