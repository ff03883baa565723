// Names of the configuration as CloudFormation takes them.
import { createHash } from "node:crypto";

/**
 * `read-model` → `ReadModel`. Logical names have letters and digits only, so a name in which a hyphen would be lost without a trace
 * gets some letters of its hash: `x-1` and `x1` stay two.
 */
export function logicalName(name: string): string {
  const words = name.split("-").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  const lossy = /-(?![a-z])/.test(name);
  return words.join("") + (lossy ? createHash("sha256").update(name).digest("hex").slice(0, 6) : "");
}

/** `read-model` → `READ_MODEL`. */
export const variableName = (name: string) => name.toUpperCase().replaceAll("-", "_");

export const ZONE_LETTERS = ["A", "B", "C"] as const;

/** SSM's path of one secret of an environment. */
export const secretPath = (app: string, environment: string, secret: string) => `/landfall/${app}/${environment}/secrets/${secret}`;
