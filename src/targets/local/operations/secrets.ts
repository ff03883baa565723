// The secrets of an environment, set and removed by a person. They need no lease: each is one write of a file under a lock of its own. Nor need
// the environment stand: it may be that it cannot be commissioned without them.
import type { SecretsReport } from "../../../reports.ts";
import { assertRemovable, assertSecrets } from "../../preconditions.ts";
import type { Context } from "../context.ts";
import { assertDataPresent, noteParts, SECRETS_PART } from "../data/data-record.ts";
import { secretPlacesOf } from "../data/retained-data.ts";
import { openSecrets, type Secrets } from "../data/secret-store.ts";
import { findRecord } from "../record.ts";
import { secretsGiven } from "../releases/given-secrets.ts";
import { loadRelease } from "../releases/release-store.ts";

export function setSecrets(context: Context, values: Record<string, string>, { revoke = false } = {}): SecretsReport {
  const { paths, deployment, clock } = context;
  const store = open(context);
  assertSecrets(values, deployment);
  const revokedIn = store.setAll(values, { revoke });
  if (findRecord(paths)) noteParts(paths, { secrets: SECRETS_PART }, clock.now());
  return { environment: deployment.environment, names: Object.keys(values), reaches: "with the next deploy", revokedIn };
}

export function removeSecret(context: Context, name: string): void {
  const store = open(context);
  const record = findRecord(context.paths);
  const given = record?.release === undefined ? [] : secretsGiven(record, loadRelease(context.paths, record.release));
  assertRemovable(name, { environment: context.deployment.environment, release: record?.release, given });
  store.remove(name);
}

export const listSecrets = (context: Context): ReturnType<Secrets["list"]> => open(context).list();

function open({ paths }: Context): Secrets {
  assertDataPresent(paths, ["secrets"]);
  return openSecrets(secretPlacesOf(paths));
}
