// What the resources of an environment give to its instances, with its secrets.
import { loadJson } from "../../src/system/files.ts";
import { openSecrets } from "../../src/targets/local/data/secret-store.ts";
import type { Paths } from "../../src/targets/local/paths.ts";
import type { EnvironmentRecord } from "../../src/targets/local/record.ts";

export function loadVariables(paths: Paths): Record<string, string> {
  const { env, secretEnv } = loadJson<EnvironmentRecord>(paths.record)?.variables ?? { env: {}, secretEnv: {} };
  const secrets = openSecrets(paths);
  return { ...env, ...Object.fromEntries(Object.entries(secretEnv).map(([name, secret]) => [name, secrets.reveal(secret)])) };
}
