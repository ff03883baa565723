// The secrets of an environment: parameters of Systems Manager, encrypted by the account's own key. Instances read those of their service
// when they start; nothing of ours keeps a value.
import { createHash } from "node:crypto";
import type { ParameterMetadata } from "@aws-sdk/client-ssm";
import { refuseMissingSecrets } from "../refusals.ts";
import type { SecretStore } from "../target.ts";
import { announce, type Context, locate } from "./context.ts";
import { secretPath } from "./stacks/names.ts";

export function openSecrets(context: Context): SecretStore {
  const { app, name: environment } = context.app;
  const pathOf = (name: string) => secretPath(app.name, environment, name);
  return {
    async set(name, value) {
      await announce(context);
      const ssm = await context.clients.ssm();
      // More than 4 KB costs a few cents a month; less is free.
      const parameter = { Name: pathOf(name), Value: value, Type: "SecureString", Tier: "Intelligent-Tiering" } as const;
      const Tags = [
        { Key: "landfall:app", Value: app.name },
        { Key: "landfall:environment", Value: environment },
      ];
      try {
        // Tags are taken only with a new parameter.
        await ssm.putParameter({ ...parameter, Tags });
      } catch (error) {
        if (!(error instanceof Error && error.name === "ParameterAlreadyExists")) throw error;
        await ssm.putParameter({ ...parameter, Overwrite: true });
      }
    },
    async remove(name) {
      await announce(context);
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

interface ObservedSecret {
  name: string;
  /** Milliseconds since 1970. */
  setAt: number;
  version: number;
}

/** By name; their values are not asked for. */
async function observeSecrets({ clients, app: { app, name } }: Context): Promise<ObservedSecret[]> {
  const ssm = await clients.ssm();
  const path = secretPath(app.name, name, "");
  const found: ParameterMetadata[] = [];
  let NextToken: string | undefined;
  do {
    const page = await ssm.describeParameters({
      NextToken,
      ParameterFilters: [{ Key: "Path", Option: "OneLevel", Values: [path.replace(/\/$/, "")] }],
    });
    found.push(...(page.Parameters ?? []));
    NextToken = page.NextToken;
  } while (NextToken);
  return found
    .map(({ Name = "", LastModifiedDate, Version = 0 }) => ({
      name: Name.slice(path.length),
      setAt: LastModifiedDate?.getTime() ?? 0,
      version: Version,
    }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/**
 * What changes with every secret that is set or removed, and says nothing of the values.
 * Errors: SECRET_MISSING, naming every secret that a service asks for and that was never set.
 */
export async function requireSecrets(context: Context): Promise<string> {
  const { name, app } = context.app;
  const secrets = await observeSecrets(context);
  refuseMissingSecrets(app.services, name, (secret) => secrets.some((one) => one.name === secret));
  return createHash("sha256")
    .update(JSON.stringify(secrets.map(({ name: secret, version, setAt }) => [secret, version, setAt])))
    .digest("hex");
}
