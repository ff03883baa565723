// An environment's resources, for reports.
import type { ResourceReport } from "../../../reports.ts";
import { hidePasswords } from "../../../text/mask.ts";
import type { Context } from "../context.ts";
import type { FoundOutputs } from "../environment-outputs.ts";
import { awsTypeOf } from "../resources/index.ts";

export function describeResources(context: Context, outputs: FoundOutputs): ResourceReport[] {
  return Object.entries(context.deployment.resources).map(([name, resource]): ResourceReport => {
    const { type, url } = resource;
    if (url !== undefined)
      return { name, type, address: typeof url === "string" ? hidePasswords(url) : `in secret ${url.secret}`, state: "external" };
    return { name, type, address: outputs.find("data", name, awsTypeOf(resource).address) ?? "", state: "running" };
  });
}
