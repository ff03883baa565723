// Whatever was thrown becomes a LandfallError, is printed, and gives the exit status.
import { LandfallError } from "../index.ts";
import { COMMANDS } from "./commands.ts";
import { printFailure } from "./print/failure.ts";
import { MissingEnvironment, UsageProblem } from "./usage.ts";

/** Prints the failure on stderr, as JSON when the command line asked for JSON, and returns the exit status. */
export async function reportFailure(error: unknown, words: string[]): Promise<number> {
  const json = words.slice(0, endOfOptions(words)).includes("--json");
  const failure = error instanceof MissingEnvironment ? await withEnvironments(error) : error;
  return printFailure(failure instanceof UsageProblem ? asLandfallError(failure) : failure, json);
}

const endOfOptions = (words: string[]) => (words.includes("--") ? words.indexOf("--") : words.length);

const asLandfallError = ({ code, message, why, next }: UsageProblem) =>
  new LandfallError({ code, what: message, why, standing: "Nothing was changed.", next });

/** What was to be named is in the configuration, if there is one. */
async function withEnvironments({ message, command }: MissingEnvironment): Promise<UsageProblem> {
  const refuse = (why: string, next: string) => new UsageProblem(message, { why, next });
  const { findConfig, loadConfig } = await import("../index.ts");
  try {
    const { app } = await loadConfig(findConfig(process.cwd()));
    const all = Object.keys(app.environments);
    const only = COMMANDS.find(({ name }) => name === command.split(" ")[1])?.only;
    if (only === undefined) return refuse(`landfall.config.ts has ${listOf(all)}`, `${command} ${all[0]}`);
    const fitting = all.filter((name) => app.environments[name]?.target === only);
    const where = only === "aws" ? "on AWS" : "on this machine";
    if (fitting.length > 0) return refuse(`landfall.config.ts has ${listOf(fitting)} ${where}`, `${command} ${fitting[0]}`);
    return refuse(`landfall.config.ts has ${listOf(all)}, and none of them ${where}`, `add one under environments:  ${EXAMPLES[only]}`);
  } catch (error) {
    if (error instanceof LandfallError && error.code === "CONFIG_NOT_FOUND")
      return refuse("no landfall.config.ts stands here or above that could be asked", "landfall init");
    return refuse("landfall.config.ts cannot be read as it is", "landfall check");
  }
}

const EXAMPLES = { aws: 'production: { target: "aws" }', local: 'local: { target: "local" }' };

const listOf = (names: string[]) => names.map((name) => `"${name}"`).join(", ");
