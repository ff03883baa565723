// Whatever was thrown becomes a LandfallError, is printed, and gives the exit status.
import { CommanderError } from "commander";
import { LandfallError } from "../index.ts";
import { printFailure } from "./print/failure.ts";
import { UsageProblem } from "./usage.ts";

/** Prints the failure on stderr, as JSON when the command line asked for JSON, and returns the exit status. */
export async function reportFailure(error: unknown, words: string[]): Promise<number> {
  const failure = error instanceof CommanderError ? await explain(error, words) : error;
  const json = words.slice(0, endOfOptions(words)).includes("--json");
  if (failure instanceof UsageProblem) return printFailure(asLandfallError(failure), json);
  return printFailure(failure, json);
}

const endOfOptions = (words: string[]) => (words.includes("--") ? words.indexOf("--") : words.length);

const asLandfallError = ({ code, message, why, next }: UsageProblem) =>
  new LandfallError({ code, what: message, why, standing: "Nothing was changed.", next });

/** Commander's sentence, in our five parts. */
async function explain({ code, message }: CommanderError, words: string[]): Promise<UsageProblem> {
  const typed = words.find((word) => !word.startsWith("-"));
  const command = typed ? `landfall ${typed}` : "landfall";
  const quoted = /'([^']*)'/.exec(message)?.[1] ?? "";
  const meant = /Did you mean (?:one of )?([^?]*)\?/.exec(message)?.[1];
  const help = typed ? `landfall help ${typed}` : "landfall --help";
  switch (code) {
    case "commander.unknownCommand":
      return new UsageProblem(`there is no command "${words[0] === quoted ? "landfall" : command} ${quoted}"`, {
        next: meant ? meantInstead(meant) : "landfall --help",
      });
    case "commander.unknownOption":
      return new UsageProblem(`"${command}" has no option "${quoted}"`, { next: meant ? meantInstead(meant) : unknownOptionNext(typed, help) });
    case "commander.missingArgument":
      return missingArgument(quoted, command, help);
    case "commander.excessArguments": {
      const [, expected, got] = /Expected (\d+) arguments? but got (\d+)/.exec(message) ?? [];
      return new UsageProblem(`"${command}" takes ${countOf(expected)}, but ${got} were given`, {
        // What is too much for `secrets set` is likely the value.
        why: typed === "secrets" ? undefined : `landfall ${words.join(" ")}`,
        next: help,
      });
    }
    case "commander.optionMissingArgument":
      return new UsageProblem(`option "${quoted}" of "${command}" has no value`, { next: help });
    default:
      return new UsageProblem(message.replace(/^error: /, ""), { next: help });
  }
}

const meantInstead = (meant: string) => `did you mean  ${meant.replaceAll(", ", "  or  ")} ?`;
const countOf = (expected = "0") => (expected === "0" ? "no argument" : expected === "1" ? "1 argument" : `${expected} arguments`);

/** Options of the program that `exec` runs are easily taken for ours. */
const unknownOptionNext = (typed: string | undefined, help: string) =>
  typed === "exec" ? "put -- before the command to run:  landfall exec local web -- ls -l" : help;

async function missingArgument(name: string, command: string, help: string): Promise<UsageProblem> {
  if (name !== "env") return new UsageProblem(`"${command}" needs <${name}>`, { next: help });
  const environments = await findEnvironments();
  return new UsageProblem(`"${command}" needs the name of an environment`, {
    why: environments && `landfall.config.ts has ${environments.map((id) => `"${id}"`).join(", ")}`,
    next: environments ? `${command} ${environments[0]}` : help,
  });
}

/** The names in the configuration found from here; undefined when there is none that can be read. */
async function findEnvironments(): Promise<string[] | undefined> {
  try {
    const { findConfig, loadConfig } = await import("../index.ts");
    const { app } = await loadConfig(findConfig(process.cwd()));
    return Object.keys(app.environments);
  } catch {
    return undefined;
  }
}
