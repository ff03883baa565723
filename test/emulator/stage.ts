// An account on the emulator, and the operations on one environment in it, in this process.

import type { Progress } from "../../src/progress.ts";
import type { CommissionReport } from "../../src/reports.ts";
import { observeEnvironment, type StackState } from "../../src/targets/aws/cloudformation/describe-stacks.ts";
import { removeStacks } from "../../src/targets/aws/cloudformation/remove.ts";
import { announce, type Context, makeContext } from "../../src/targets/aws/context.ts";
import { leased } from "../../src/targets/aws/lease.ts";
import { commission } from "../../src/targets/aws/operations/commission.ts";
import { openAws } from "../../src/targets/aws/target.ts";
import type { EnvironmentTarget } from "../../src/targets/target.ts";
import { production } from "../targets/aws/templates/apps.ts";
import { makeAccount } from "./emulator.ts";

export interface Stage {
  account: string;
  env: Record<string, string>;
  /** A context of its own for each operation, as each command has one. */
  context(input: unknown, more?: Partial<Context>): Context;
  /** As a command opens it in the app's folder. */
  open(input: unknown, folder?: string): EnvironmentTarget;
  /** What the operations said. */
  progress: Progress[];
  commission(input: unknown, options?: { confirmReplace?: string[] }): Promise<CommissionReport>;
  stacks(input: unknown): Promise<Map<string, StackState>>;
  /** All stacks, the shared one too. */
  remove(input: unknown): Promise<string[]>;
}

/** `attempts`: how often the SDK tries a call; as often as in earnest when left out. */
export function makeStage(port: number, { attempts }: { attempts?: number } = {}): Stage {
  const { account, env } = makeAccount(port);
  const progress: Progress[] = [];
  const inputOf = (input: unknown, folder = "/") => {
    Object.assign(process.env, env);
    if (attempts === undefined) delete process.env.AWS_MAX_ATTEMPTS;
    else process.env.AWS_MAX_ATTEMPTS = String(attempts);
    return { deployment: production(input), folder, emit: (event: Progress) => void progress.push(event) };
  };
  const context = (input: unknown, more: Partial<Context> = {}): Context => ({ ...makeContext(inputOf(input)), ...more });
  const stacks = ({ clients, deployment }: Context) => observeEnvironment(clients, deployment);
  return {
    account,
    env,
    context,
    open: (input, folder) => openAws(inputOf(input, folder)),
    progress,
    async commission(input, options) {
      const own = context(input);
      await announce(own);
      return leased(own, "commission", (guarded) => commission(guarded, options));
    },
    stacks: (input) => stacks(context(input)),
    async remove(input) {
      const own = context(input);
      return removeStacks(own, [...(await stacks(own)).values()]);
    },
  };
}
