import type { Command } from "commander";
import type { CommandPermissions, PermissionsReport } from "../../index.ts";
import { openToRead } from "../operate.ts";
import { asReading } from "../options.ts";
import { describeReasons } from "../print/permissions.ts";
import { printJson, printOut } from "../print/terminal.ts";
import { UsageProblem } from "../usage.ts";

interface IamOptions {
  json?: boolean;
  reasons?: boolean;
}

/** Policies are JSON whatever is asked; --json adds what is not part of them. */
export default function iam(command: Command): void {
  asReading(command, ["landfall iam production", "landfall iam production commission > policy.json", "landfall iam production deploy --reasons"])
    .option("--reasons", "instead: which calls are not limited to this environment, and why")
    .action(async (env: string, command: string | undefined, options: IamOptions) => {
      const report = await (await openToRead(env)).permissions();
      const chosen = command === undefined ? report.permissions : [choose(report, command)];
      if (options.json) return printJson({ ...report, permissions: chosen });
      if (options.reasons) return printOut(describeReasons(chosen));
      const [only] = chosen;
      if (command === undefined || !only)
        return printJson(Object.fromEntries(chosen.map(({ commands, policies }) => [commands.join(", "), policies])));
      printJson(only.policies.length === 1 ? only.policies[0] : only.policies);
    });
}

function choose({ permissions }: PermissionsReport, command: string): CommandPermissions {
  const permission = permissions.find(({ commands }) => commands.includes(command));
  if (permission) return permission;
  throw new UsageProblem(`"${command}" is no command that needs permissions of its own`, {
    why: `there are policies for ${permissions.flatMap(({ commands }) => commands.map((name) => `"${name}"`)).join(", ")}`,
  });
}
