import type { Command } from "commander";
import type { CleanReport } from "../../index.ts";
import { type CommonOptions, operate, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeClean } from "../print/reports.ts";
import { printErr } from "../print/terminal.ts";

export default function clean(command: Command): void {
  asActing(command, ["landfall clean", "landfall clean local --json"]).action(async (env: string | undefined, options: CommonOptions) => {
    const removed: string[] = [];
    for (const name of env === undefined ? await findCleanable() : [env]) {
      const cleaned = await operate(name, options, (environment) => environment.clean()).catch((error) => passOver(error, name, env));
      removed.push(...cleaned.removed);
    }
    report<CleanReport>(options, { removed }, describeClean);
  });
}

/** Whoever names none means those that can be reached from here. */
function passOver(error: unknown, name: string, env: string | undefined): CleanReport {
  const isOutOfReach = error instanceof Error && "code" in error && /^AWS_(CREDENTIALS|REGION)_MISSING$/.test(String(error.code));
  if (env !== undefined || !isOutOfReach) throw error;
  printErr(`  "${name}" was not looked at: ${error.message}`);
  return { removed: [] };
}

/** Every environment of the app; those on this machine first, since they need no credentials. */
async function findCleanable(): Promise<string[]> {
  const { findConfig, loadConfig } = await import("../../index.ts");
  const { app } = await loadConfig(findConfig(process.cwd()));
  const on = (target: string) => Object.keys(app.environments).filter((name) => app.environments[name]?.target === target);
  return [...on("local"), ...on("aws")];
}
