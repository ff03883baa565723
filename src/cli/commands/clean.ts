import type { Command } from "commander";
import type { CleanReport } from "../../index.ts";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeClean } from "../print/reports.ts";

export default function clean(command: Command): void {
  asActing(command, ["landfall clean", "landfall clean local --json"]).action(async (env: string | undefined, options: CommonOptions) => {
    const removed: string[] = [];
    for (const name of env === undefined ? await findCleanable() : [env]) {
      removed.push(...(await operate(name, options, (environment) => environment.clean())).removed);
    }
    report<CleanReport>(options, { removed }, describeClean);
  });
}

/** Every environment of the app; those on this machine first, since they need no credentials. */
async function findCleanable(): Promise<string[]> {
  const { findConfig, loadConfig } = await import("../../index.ts");
  const { app } = await loadConfig(findConfig(process.cwd()));
  const on = (target: string) => Object.keys(app.environments).filter((name) => app.environments[name]?.target === target);
  return [...on("local"), ...on("aws")];
}
