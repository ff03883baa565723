// Refuses on this machine what only an environment on AWS has.
import { LandfallError } from "../../error.ts";
import { assertNoOption } from "../preconditions.ts";
import type { Context } from "./context.ts";

export const onlyOnAws = ({ deployment }: Pick<Context, "deployment">, what: string) =>
  new LandfallError({
    code: "ONLY_ON_AWS",
    what: `environment "${deployment.environment}" is on this machine, and has no ${what}`,
    standing: "Nothing was changed.",
    next: 'name an environment whose target is "aws", or add one under environments:  production: { target: "aws" }',
  });

/** Names of what holds data on AWS must never seem to be heeded here. */
export const assertNoNames = ({ deployment }: Pick<Context, "deployment">, option: string, names: string[] | undefined): void =>
  assertNoOption(deployment.environment, option, names, "It names what holds data on AWS, and the environment is on this machine.");
