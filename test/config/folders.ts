// Temporary folders with files in them, and the whole text of the error that something raises.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach } from "vitest";
import { describeError } from "../../src/cli/print/error.ts";
import { validateText } from "../../src/config/check.ts";
import { loadConfig } from "../../src/config/load.ts";
import { LandfallError } from "../../src/error.ts";

const made: string[] = [];

afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A new folder with these files, removed after the test. */
export function folderWith(files: Record<string, string>): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "landfall-config-")));
  made.push(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** The error's text as a terminal in `folder` would show it; the folder's own name is left out. */
export async function textOf(act: () => unknown, folder: string): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof LandfallError)) throw error;
    const text = describeError(error, { cwd: folder });
    // How far the code stands from a first line that names the folder depends on the folder's length.
    return text
      .split("\n")
      .map((line) => (line.includes(folder) ? line.replace(/ {2,}(?=[A-Z_]+$)/, "  ").replaceAll(folder, "/app") : line))
      .join("\n");
  }
  throw new Error("nothing was thrown");
}

/** Loads a configuration with this text and gives the text of its error. */
export async function errorOf(text: string, name = "landfall.config.ts"): Promise<string> {
  const folder = folderWith({ [name]: text });
  return textOf(() => loadConfig(join(folder, name)), folder);
}

/** The text of the error of an app that is written as one literal, `({...})`. */
export function errorOfLiteral(literal: string): Promise<string> {
  const value: unknown = new Function(`return (${literal});`)();
  return textOf(() => validateText(`export default ${literal};\n`, "/app/landfall.config.ts", value), "/app");
}
