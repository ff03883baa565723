// Whatever was thrown becomes a LandfallError, is printed, and gives the exit status.
import { LandfallError } from "../index.ts";
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
  const environments = await findEnvironments();
  if (!environments)
    return new UsageProblem(message, { why: "no landfall.config.ts stands here or above that could be asked", next: "landfall list" });
  return new UsageProblem(message, {
    why: `landfall.config.ts has ${environments.map((id) => `"${id}"`).join(", ")}`,
    next: `${command} ${environments[0]}`,
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
