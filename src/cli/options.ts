// Options that many commands have, worded once.
import type { Command } from "commander";

export const withExamples = (command: Command, examples: string[]): Command =>
  command.addHelpText("after", `\nExamples:\n${examples.map((example) => `  ${example}`).join("\n")}`);

/** For commands that only read. */
export const asReading = (command: Command, examples: string[]): Command =>
  withExamples(command, examples).option("--json", "print one JSON document on stdout");

/** For commands that change something: their progress goes to stderr, their report to stdout. */
export const asActing = (command: Command, examples: string[]): Command =>
  withExamples(command, examples)
    .option("--json", "print the report as JSON on stdout")
    .option("-v, --verbose", "also print what the steps print")
    .option("--wait", "wait for an operation that is under way, instead of refusing");
