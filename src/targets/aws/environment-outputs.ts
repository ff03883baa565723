// The outputs of an environment's stacks, by the names of the one table of outputs.
import type { Deployment } from "../../config/deployment.ts";
import { LandfallError } from "../../error.ts";
import { notCommissioned, resourcesNotCommissioned } from "../preconditions.ts";
import { HERE, hasOwn, observeEnvironment, type StackState } from "./cloudformation/describe-stacks.ts";
import type { Context } from "./context.ts";
import { digestOfGiven } from "./templates/shared/given.ts";
import { type EnvironmentNames, type StackId, stackName } from "./templates/shared/names.ts";
import { OUTPUTS, type OutputAddress, outputKey } from "./templates/shared/outputs.ts";

export interface FoundOutputs {
  find(...address: OutputAddress): string | undefined;
}

/** Of an environment that stands. */
export interface EnvironmentOutputs extends FoundOutputs {
  stacks: Map<string, StackState>;
  /** Of artifacts. */
  bucket: string;
  /** Errors: ENVIRONMENT_NOT_COMMISSIONED when the stack does not give it. */
  get(...address: OutputAddress): string;
}

/** What stacks give, by the path to it: `find("service", "web", "blue", "TargetGroup")`. */
export function outputsOf(names: EnvironmentNames, stacks: Iterable<Pick<StackState, "name" | "outputs">>): FoundOutputs {
  const outputs = new Map([...stacks].map((stack) => [stack.name, stack.outputs]));
  return {
    find: (...address) => {
      const { stack, service, path } = partsOf(address);
      return outputs.get(stackName(names, ...stack))?.[outputKey(service, path)];
    },
  };
}

function partsOf(address: OutputAddress): { stack: StackId; service?: string; path: string[] } {
  if (address[0] !== "service") return { stack: [address[0]], path: address.slice(1) };
  const [role, service, ...path] = address;
  return { stack: [role, service], service, path };
}

/**
 * Errors: ENVIRONMENT_NOT_COMMISSIONED when a stack is missing that the configuration asks for, lacks what a release needs of it, or has fleets that
 * would be led to other resources.
 */
export async function loadEnvironmentOutputs({ clients, deployment }: Context): Promise<EnvironmentOutputs> {
  const stacks = await observeEnvironment(clients, deployment);
  if (!hasOwn(stacks.values(), deployment.environment)) throw notCommissioned(deployment, HERE);
  const { find } = outputsOf(deployment, stacks.values());
  const get = (...address: OutputAddress): string => {
    const value = find(...address);
    if (value === undefined) throw notAsConfigured(deployment, lacking(partsOf(address).stack));
    return value;
  };
  const needed: StackId[] = [["network"], ...Object.keys(deployment.services).map((service): StackId => ["service", service])];
  for (const stack of needed)
    if (!/_COMPLETE$/.test(stacks.get(stackName(deployment, ...stack))?.status ?? "")) throw notAsConfigured(deployment, lacking(stack));
  const missing = Object.entries(deployment.resources)
    .filter(([name, { url }]) => url === undefined && OUTPUTS.resource.every((output) => find("data", name, output) === undefined))
    .map(([name]): [string, string] => [name, "does not stand yet"]);
  if (missing.length > 0) throw resourcesNotCommissioned(deployment, missing);
  assertGivenSame(deployment, stacks.values(), find);
  return { stacks, bucket: get("shared", "ArtifactsBucket"), find, get };
}

/** Every change of a service's stack draws all of its fleets with the resources of the file. Errors: ENVIRONMENT_NOT_COMMISSIONED. */
function assertGivenSame(deployment: Deployment, stacks: Iterable<StackState>, find: EnvironmentOutputs["find"]): void {
  const wanted = digestOfGiven(deployment);
  for (const { tags } of stacks) {
    const service = tags["landfall:service"];
    const given = service && find("service", service, "Resources");
    if (given && given !== wanted)
      throw notAsConfigured(
        deployment,
        `what serves of "${service}" was started with other resources than the file has, or with another "url" of one. It would be led to those of the file, too: a commission does that, and plan shows it.`,
      );
  }
}

const lacking = ([role, service]: StackId): string =>
  `${service === undefined ? `its stack ${role}` : `its service "${service}"`} is missing, or lacks something that the release needs`;

function notAsConfigured({ environment, app }: EnvironmentNames, why: string): LandfallError {
  return new LandfallError({
    code: "ENVIRONMENT_NOT_COMMISSIONED",
    what: `environment "${environment}" of app "${app}" does not stand as landfall.config.ts has it`,
    why,
    standing: "Nothing was changed.",
    next: `landfall commission ${environment}`,
  });
}
