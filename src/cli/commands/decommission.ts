import type { Command } from "commander";
import { openToRead, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeDecommission, describeRemoval } from "../print/reports.ts";
import { ask, canAsk } from "../print/terminal.ts";
import { UsageProblem } from "../usage.ts";

interface DecommissionOptions {
  json?: boolean;
  verbose?: boolean;
  yes?: boolean;
  keepData?: boolean;
  confirmRemove?: string[];
}

export default function decommission(command: Command): void {
  asActing(command, ["landfall decommission local", "landfall decommission review-12 --yes --keep-data"])
    .option("--yes", "do not ask for the environment's name")
    .option("--keep-data", "keep the data and the secrets, and say where")
    .option("--confirm-remove <names...>", "on AWS: databases with deletion protection, and snapshots kept before, that may go too")
    .action(async (env: string, options: DecommissionOptions) => {
      if (!options.yes) await confirm(env, options);
      const removal = await operate(env, { ...options, removing: true }, (environment) => environment.decommission(choiceOf(options)));
      report(options, removal, describeDecommission);
    });
}

const choiceOf = ({ keepData, confirmRemove }: DecommissionOptions) => ({ keepData, confirmRemove });

async function confirm(env: string, options: DecommissionOptions): Promise<void> {
  const { keepData } = options;
  // Opened first, so that a name that was mistyped twice is not taken for a confirmation.
  const environment = await openToRead(env, { removing: true });
  const losing = keepData ? "its processes and addresses; its data is kept" : "all of it, its data too";
  if (!canAsk()) {
    throw new UsageProblem(`decommissioning "${env}" was not confirmed`, {
      code: "CONFIRMATION_DECLINED",
      why: `It removes ${losing}, and there is no terminal to ask on.`,
      next: `landfall decommission ${env} --yes${keepData ? " --keep-data" : ""}`,
    });
  }
  const list = describeRemoval(await environment.listRemoval(choiceOf(options)));
  const answer = await ask(`${list ? `${list}\n` : ""}This removes environment "${env}": ${losing}.\nType its name to go on: `);
  if (answer.trim() === env) return;
  throw new UsageProblem(`decommissioning "${env}" was not confirmed`, {
    code: "CONFIRMATION_DECLINED",
    why: `The answer was "${answer.trim()}", the environment's name is "${env}".`,
  });
}
