// The secrets of an environment: parameters of Systems Manager, encrypted by the account's own key. Instances read those of their service
// when they start; nothing of ours keeps a value.
import { createHash } from "node:crypto";
import { withoutSecrets } from "../../error.ts";
import { makeHide } from "../../text/mask.ts";
import { assertRemovable, assertSecrets, assertSecretsSet, type SecretUsers, secretsUsed } from "../preconditions.ts";
import type { SecretStore } from "../target.ts";
import { rowsOf } from "./account/pages.ts";
import { announce, type Context, locate } from "./context.ts";
import { observeServing } from "./running.ts";
import { secretPath } from "./templates/shared/names.ts";
import { type Standing, servingRelease } from "./templates/shared/running.ts";

/** Of an advanced parameter: https://docs.aws.amazon.com/general/latest/gr/ssm.html#limits_ssm */
const PARAMETER_BYTES_MAX = 8 * 1024;

export function openSecrets(context: Context): SecretStore {
  const { app, environment } = context.deployment;
  const pathOf = (name: string) => secretPath(app, environment, name);
  return {
    async set(values) {
      await announce(context);
      assertSecrets(values, context.deployment, PARAMETER_BYTES_MAX);
      for (const [name, value] of Object.entries(values)) await put(context, pathOf(name), value);
      // No release keeps a value: an instance reads what is set when it starts.
      return { environment, names: Object.keys(values), reaches: "when instances start next", revokedIn: [] };
    },
    async remove(name) {
      await announce(context);
      const standing = await observeServing(context);
      assertRemovable(name, { environment, release: servingRelease(standing), given: secretsOf(context, standing) });
      try {
        await (await context.clients.ssm()).deleteParameter({ Name: pathOf(name) });
      } catch (error) {
        if (!(error instanceof Error && error.name === "ParameterNotFound")) throw error;
      }
    },
    async list() {
      await locate(context);
      return (await observeSecrets(context)).map(({ name, setAt }) => ({ name, setAt }));
    },
  };
}

async function put({ clients, deployment: { app, environment } }: Context, Name: string, Value: string): Promise<void> {
  const ssm = await clients.ssm();
  // More than 4 KB costs a few cents a month; less is free.
  const parameter = { Name, Value, Type: "SecureString", Tier: "Intelligent-Tiering" } as const;
  const Tags = [
    { Key: "landfall:app", Value: app },
    { Key: "landfall:environment", Value: environment },
  ];
  // AWS repeats in its refusals what was refused.
  const hide = makeHide([Value]);
  try {
    // Tags are taken only with a new parameter.
    await ssm.putParameter({ ...parameter, Tags });
  } catch (error) {
    if (!(error instanceof Error && error.name === "ParameterAlreadyExists")) throw withoutSecrets(error, hide);
    await ssm.putParameter({ ...parameter, Overwrite: true }).catch((again) => Promise.reject(withoutSecrets(again, hide)));
  }
}

/** Of the fleets that stand, whichever get requests: all of their instances may be replaced at any time. */
function secretsOf({ deployment }: Context, { running, rules }: Standing): string[] {
  const services = Object.entries(running).flatMap(([name, fleets]) =>
    Object.values(fleets).flatMap(({ settings }) => (settings ? [[name, settings] as const] : [])),
  );
  const used = services.flatMap(([, { secrets }]) => secrets);
  const others = secretsUsed({ services: {}, resources: deployment.resources, routes: rules?.routes ?? [] });
  return [...used, ...others.map(({ secret }) => secret)];
}

interface ObservedSecret {
  name: string;
  /** Milliseconds since 1970. */
  setAt: number;
  version: number;
}

/** By name; their values are not asked for. */
async function observeSecrets({ clients, deployment: { app, environment } }: Context): Promise<ObservedSecret[]> {
  const ssm = await clients.ssm();
  const path = secretPath(app, environment, "");
  const ParameterFilters = [{ Key: "Path", Option: "OneLevel", Values: [path.replace(/\/$/, "")] }];
  const parameters = await rowsOf(ssm.paginateDescribeParameters({ ParameterFilters }), (page) => page.Parameters);
  return parameters
    .map(({ Name = "", LastModifiedDate, Version = 0 }) => ({
      name: Name.slice(path.length),
      setAt: LastModifiedDate?.getTime() ?? 0,
      version: Version,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * What changes with every secret that is set or removed, and says nothing of the values.
 * Errors: SECRET_MISSING, naming every secret that a service asks for and that was never set.
 */
export async function requireSecrets(context: Context, users: SecretUsers = context.deployment): Promise<string> {
  const { environment } = context.deployment;
  const secrets = await observeSecrets(context);
  assertSecretsSet(users, environment, (secret) => secrets.some((observed) => observed.name === secret));
  return createHash("sha256")
    .update(JSON.stringify(secrets.map(({ name: secret, version, setAt }) => [secret, version, setAt])))
    .digest("hex");
}
