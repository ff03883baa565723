// What fleets are given by resources, in a few letters by which it is known again. No address can be read out of them.
import { createHash } from "node:crypto";
import type { Deployment } from "../../../../config/deployment.ts";
import { variablesOf } from "../../../../resources/index.ts";

/** Another one when a resource has another address, gives other variables, or is not there any more. */
export const digestOfGiven = ({ resources }: Pick<Deployment, "resources">): string => {
  const given = Object.entries(resources).map(([name, resource]) => JSON.stringify([resource.type, variablesOf(name, resource), resource.url ?? ""]));
  return createHash("sha256").update(given.sort().join("\n")).digest("hex").slice(0, 16);
};
