// landfall init: a recognised app → landfall.config.ts.
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { codeOf, LandfallError, messageOf } from "../error.ts";
import { type AppKind, type DetectedApp, detectApp } from "./detect-app.ts";
import { configIn } from "./load.ts";

export { type AppKind, detectApp } from "./detect-app.ts";

export interface InitReport {
  /** Absolute path of what was written. */
  file: string;
  kind: AppKind;
  text: string;
}

/**
 * Writes landfall.config.ts for the app found in `folder`. Never replaces a configuration unless `force` is set.
 * Errors: APP_NOT_RECOGNIZED, CONFIG_EXISTS, CONFIG_UNWRITABLE; nothing is written then.
 */
export async function writeConfig(folder: string, { force = false }: { force?: boolean } = {}): Promise<InitReport> {
  const path = resolve(folder);
  const standing = configIn(path);
  if (standing && !force) throw exists(standing);
  const recognised = detectApp(path);
  const text = describeApp(recognised);
  const file = join(path, "landfall.config.ts");
  // Loaded here, because the checks are heavy and most commands need none.
  const { validateText } = await import("./check.ts");
  validateText(text, file, recognised.app);
  write(file, text, force);
  return { file, kind: recognised.kind, text };
}

/** The exclusive flag also refuses a file that came between looking and writing. */
function write(file: string, text: string, force: boolean): void {
  try {
    writeFileSync(file, text, { flag: force ? "w" : "wx" });
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw exists(file);
    throw new LandfallError({
      code: "CONFIG_UNWRITABLE",
      what: 'the configuration "landfall.config.ts" could not be written',
      where: file,
      why: messageOf(error),
      standing: "Nothing was written.",
      cause: error,
    });
  }
}

const exists = (file: string) =>
  new LandfallError({
    code: "CONFIG_EXISTS",
    what: "a configuration stands here already",
    where: file,
    why: "landfall init does not replace what somebody wrote.",
    standing: "Nothing was written.",
    next: "landfall init --force   to replace it, or  landfall check  to check it",
  });

function describeApp({ because, app, notes }: DetectedApp): string {
  const comments = notes.map((note) => `// ${note}\n`).join("");
  return `// Written by landfall init, from: ${because}. Every key is in docs/configuration.md of the package landfall.\n${comments}import { defineApp } from "landfall";\n\nexport default defineApp(${describeValue(app, 0)});\n`;
}

const LINE_MAX = 90;

/** On one line if it fits, else an entry a line. The app itself is never one line. */
function describeValue(value: unknown, depth: number): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const entries = isList
    ? value.map((item) => describeValue(item, depth + 1))
    : Object.entries(value).map(([key, item]) => `${keyText(key)}: ${describeValue(item, depth + 1)}`);
  const line = isList ? `[${entries.join(", ")}]` : `{ ${entries.join(", ")} }`;
  if (depth > 0 && line.length + depth * 2 <= LINE_MAX && !line.includes("\n")) return line;
  const indent = "  ".repeat(depth + 1);
  const lines = entries.map((entry) => `${indent}${entry},\n`).join("");
  return `${isList ? "[" : "{"}\n${lines}${"  ".repeat(depth)}${isList ? "]" : "}"}`;
}

const keyText = (key: string) => (/^[a-z_$][\w$]*$/i.test(key) ? key : JSON.stringify(key));
