// Leaving Landfall: what is written is all that an environment consists of.
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { EnvironmentApp } from "../../../config/app.ts";
import { LandfallError } from "../../../error.ts";
import type { ExportReport } from "../../../reports.ts";
import type { StackTemplate } from "../stacks/index.ts";
import { makeRunbook } from "./runbook.ts";
import { deployScript, removeScript, type ScriptInput, templateFile } from "./script.ts";

/** Every file of an export, by its path. The stacks are in the order in which they are made. */
export function exportFiles(app: EnvironmentApp, stacks: readonly StackTemplate[]): Map<string, string> {
  const { region, account } = app.environment;
  const input: ScriptInput = { app: app.app.name, environment: app.name, region, account, stacks };
  const parameters = Object.fromEntries(
    stacks.map(({ name, parameters }) => [name, Object.fromEntries(parameters.map((one) => [one.name, one.from]))]),
  );
  return new Map([
    ["README.md", makeRunbook(app, stacks)],
    ["deploy.sh", deployScript(input)],
    ["remove.sh", removeScript(input)],
    ["parameters.json", `${JSON.stringify(parameters, null, 2)}\n`],
    ...stacks.map((stack) => [templateFile(stack), stack.body] as const),
  ]);
}

/** Writes them into a folder that is empty or not there yet. Errors: EXPORT_EXISTS. */
export function exportTo(app: EnvironmentApp, stacks: readonly StackTemplate[], folder: string): ExportReport {
  const place = resolve(folder);
  if (existsSync(place) && readdirSync(place).length > 0) throw exists(place);
  const files = exportFiles(app, stacks);
  for (const [path, text] of files) {
    const file = join(place, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    if (path.endsWith(".sh")) chmodSync(file, 0o755);
  }
  return { app: app.app.name, environment: app.name, folder: place, files: [...files.keys()] };
}

const exists = (folder: string) =>
  new LandfallError({
    code: "EXPORT_EXISTS",
    what: `the folder "${folder}" is not empty`,
    why: "Files of an older export would stay among the new ones.",
    standing: "Nothing was written.",
    next: "name another folder with --out, or remove that one",
  });
