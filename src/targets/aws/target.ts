// The aws target: the user's own account. What does an operation is loaded with it, so that a reading command loads no CDK.
import type { EnvironmentTarget, OpenTarget } from "../target.ts";
import { makeContext, notBuilt } from "./context.ts";

export const openAws: OpenTarget = (input): EnvironmentTarget => {
  const context = makeContext(input);
  const missing = (what: string) => async (): Promise<never> => {
    throw notBuilt(what);
  };
  return {
    plan: async (options) => (await import("./plan.ts")).planAws(context, options),
    commission: missing(`commissioning "${context.app.name}"`),
    deploy: missing("a deploy"),
    rollback: missing("a rollback"),
    resume: missing("resuming"),
    abort: missing("aborting"),
    scale: missing("scaling"),
    exec: missing("exec"),
    status: missing("the status"),
    hosts: missing("the list of hosts"),
    logs: () => {
      throw notBuilt("reading logs");
    },
    events: missing("the list of events"),
    secrets: () => {
      throw notBuilt("keeping secrets");
    },
    decommission: missing("decommissioning"),
    clean: missing("cleaning"),
  };
};
