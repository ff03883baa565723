// A script on one machine, through Systems Manager: no port is open for it.
import type { SendSignal } from "../../../system/command-streams.ts";
import type { Account } from "./account.ts";
import { pollEvery } from "./poll.ts";

export interface RemoteCommand {
  /** For the shell, as root. */
  script: string;
  /** Shown in the account's list of commands. */
  about: string;
  seconds: number;
  /** Is given what cancels it, by whatever signal. */
  onStart?: (send: SendSignal) => void;
}

/** Of what was printed, the beginning: 24,000 characters of stdout and 8,000 of stderr. */
export interface RemoteAnswer {
  code: number;
  stdout: string;
  stderr: string;
  /** By what it was cancelled. */
  cancelled?: NodeJS.Signals;
}

/** Runs a script on one machine, and waits for its end. */
export async function runOn(account: Account, machine: string, { script, about, seconds, onStart }: RemoteCommand): Promise<RemoteAnswer> {
  const ssm = await account.clients.ssm();
  const { Command } = await ssm.sendCommand({
    InstanceIds: [machine],
    DocumentName: "AWS-RunShellScript",
    Comment: about.slice(0, 100),
    Parameters: { commands: [script], executionTimeout: [String(seconds)] },
  });
  const CommandId = Command?.CommandId ?? "";
  let cancelled: NodeJS.Signals | undefined;
  onStart?.((signal) => {
    cancelled = signal;
    // Where it has ended meanwhile nothing is left to be cancelled, and its answer comes.
    ssm.cancelCommand({ CommandId }).catch(() => {});
  });
  for await (const _ of pollEvery(account)) {
    const answer = await ssm.getCommandInvocation({ CommandId, InstanceId: machine }).catch((error: unknown) => {
      // The agent has not heard of it yet.
      if (error instanceof Error && error.name === "InvocationDoesNotExist") return undefined;
      throw error;
    });
    if (!answer || /^(Pending|InProgress|Delayed|Cancelling)$/.test(answer.Status ?? "")) continue;
    return {
      code: answer.ResponseCode ?? 128,
      stdout: answer.StandardOutputContent ?? "",
      stderr: answer.StandardErrorContent ?? "",
      ...(answer.Status === "Cancelled" && cancelled && { cancelled }),
    };
  }
  throw new TypeError("polling ended by itself");
}
