// The reference page of the commands, from what each of them prints as its help. scripts/docs.mjs writes it to docs/.

import type { Command } from "commander";
import { present } from "../error.ts";
import { COMMANDS } from "./commands.ts";
import { makeProgram } from "./main.ts";

/** docs/commands.md: every command with its arguments, options and examples. */
export async function describeCommands(): Promise<string> {
  const sections = [];
  for (const { name } of COMMANDS) {
    const { commands } = await makeProgram(name);
    const command = present(
      commands.find((candidate) => candidate.name() === name),
      `command "${name}"`,
    );
    const pages = [command, ...command.commands].map((part) => `\`\`\`text\n${helpOf(part)}\n\`\`\``);
    sections.push(`## landfall ${name}`, ...pages);
  }
  return `${[
    "# Commands",
    "<!-- Written by `node scripts/docs.mjs` from the source; changes belong there. -->",
    "The exit status is 0 when the command did what it says, 130 when it was interrupted, and else that of its error: see [errors](errors.md). `exec` ends as its command did. Errors are printed on stderr, as JSON with `--json`.",
    ...sections,
  ].join("\n\n")}\n`;
}

/** As `--help` prints it, with what was added after it. */
function helpOf(command: Command): string {
  const parts: string[] = [];
  command.configureOutput({ writeOut: (text) => parts.push(text) }).outputHelp();
  return parts.join("").trimEnd();
}
