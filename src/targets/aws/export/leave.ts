// Which stacks an export has: those of the configuration, for which no account is asked, or those that stand.
import type { ExportReport } from "../../../reports.ts";
import type { ExportOptions } from "../../target.ts";
import type { Context } from "../context.ts";
import { makeStacks } from "../stacks/index.ts";
import { exportTo } from "./export.ts";
import { loadStacks } from "./standing.ts";

export async function leave(context: Context, folder: string, { standing = false }: ExportOptions = {}): Promise<ExportReport> {
  return exportTo(context.app, standing ? await loadStacks(context) : makeStacks(context.app), folder);
}
