import type { Command } from "commander";
import type { DeployOptions } from "../../index.ts";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeDeploy } from "../print/reports.ts";
import { UsageProblem } from "../usage.ts";

export default function deploy(command: Command): void {
  asActing(command, ["landfall deploy local", "landfall deploy staging v1.4.0", "landfall deploy local --dirty"])
    .option("--dirty", "release the files as they are, committed or not")
    .option("--contract", "once the old fleet is gone, run the contract phase: from then on there is no rollback")
    .option("--force", "stop instances even if they say that they are not ready for it")
    .action(async (env: string, ref: string | undefined, options: CommonOptions & Omit<DeployOptions, "ref">) => {
      if (ref !== undefined && options.dirty) {
        throw new UsageProblem(`--dirty and the git ref "${ref}" exclude each other`, {
          why: "--dirty releases the files as they are now, a ref releases them as they were committed",
          next: `landfall deploy ${env} ${ref}`,
        });
      }
      const deployed = await operate(env, options, (environment) =>
        environment.deploy({ ref, dirty: options.dirty, contract: options.contract, force: options.force }),
      );
      report(options, deployed, describeDeploy);
    });
}
