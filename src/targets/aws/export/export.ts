// Leaving Landfall: what is written is all that an environment consists of.
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Deployment } from "../../../config/deployment.ts";
import { LandfallError } from "../../../error.ts";
import type { ExportReport } from "../../../reports.ts";
import type { ExportOptions } from "../../target.ts";
import type { Context } from "../context.ts";
import type { StackTemplate } from "../templates/index.ts";
import { makeStacks } from "../templates/index.ts";
import { makeRunbook } from "./runbook.ts";
import { deployScript, removeScript, type ScriptInput, templateFile } from "./script.ts";
import { loadStacks } from "./standing.ts";

/** The stacks of the configuration, for which no account is asked, or those that stand. Errors: EXPORT_EXISTS, ENVIRONMENT_NOT_COMMISSIONED, AWS_*. */
export async function exportEnvironment(context: Context, folder: string, { standing = false }: ExportOptions = {}): Promise<ExportReport> {
  return exportTo(context.deployment, standing ? await loadStacks(context) : makeStacks(context.deployment), folder);
}

/** Every file of an export, by its path. The stacks are in the order in which they are made. */
export function exportFiles(deployment: Deployment, stacks: readonly StackTemplate[]): Map<string, string> {
  const { region, account } = deployment.settings;
  const input: ScriptInput = { app: deployment.app, environment: deployment.environment, region, account, stacks };
  const parameters = Object.fromEntries(
    stacks.map(({ name, parameters }) => [name, Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter.from]))]),
  );
  return new Map([
    ["README.md", makeRunbook(deployment, stacks)],
    ["deploy.sh", deployScript(input)],
    ["remove.sh", removeScript(input)],
    ["parameters.json", `${JSON.stringify(parameters, null, 2)}\n`],
    ...stacks.map((stack) => [templateFile(stack), stack.body] as const),
  ]);
}

/** Writes them into a folder that is empty or not there yet. Errors: EXPORT_EXISTS. */
export function exportTo(deployment: Deployment, stacks: readonly StackTemplate[], folder: string): ExportReport {
  const place = resolve(folder);
  if (existsSync(place) && readdirSync(place).length > 0) throw exists(place);
  const files = exportFiles(deployment, stacks);
  for (const [path, text] of files) {
    const file = join(place, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    if (path.endsWith(".sh")) chmodSync(file, 0o755);
  }
  return { app: deployment.app, environment: deployment.environment, folder: place, files: [...files.keys()] };
}

const exists = (folder: string) =>
  new LandfallError({
    code: "EXPORT_EXISTS",
    what: `the folder "${folder}" is not empty`,
    why: "Files of an older export would stay among the new ones.",
    standing: "Nothing was written.",
    next: "name another folder with --out, or remove that one",
  });
