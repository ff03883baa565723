import type { Command } from "commander";
import { openToRead, report } from "../operate.ts";
import { withExamples } from "../options.ts";
import { describeSecrets } from "../print/reports.ts";
import { ask, canAsk, readInput } from "../print/terminal.ts";
import { UsageProblem } from "../usage.ts";

const ABOUT_ENV = "an environment of landfall.config.ts";

/** A value never comes from the command line itself: other users can read that, and shells remember it. */
export default function secrets(command: Command): void {
  withExamples(command, ["landfall secrets set local API_KEY < key.txt", "landfall secrets list local"]);
  addSet(command.command("set"));
  addList(command.command("list"));
  addRemove(command.command("remove"));
}

function addSet(command: Command): void {
  withExamples(command, ["landfall secrets set local API_KEY", "landfall secrets set local TLS_KEY --from-file key.pem"])
    .description("set a secret to what is typed, or comes on stdin")
    .argument("<env>", ABOUT_ENV)
    .argument("<name>", "the secret's name, such as API_KEY")
    .option("--json", "print the report as JSON on stdout")
    .option("--from-file <file>", "take the value from a file, byte for byte")
    .action(async (env: string, name: string, options: { fromFile?: string; json?: boolean }) => {
      const environment = await openToRead(env);
      // Wrong use is told before what the environment lacks.
      const value = await findValue(env, name, options.fromFile);
      await environment.secrets().set(name, value);
      report(options, { environment: env, name }, () => `${name} is set in ${env}; instances get it when they start next.`);
    });
}

function addList(command: Command): void {
  withExamples(command, ["landfall secrets list local", "landfall secrets list local --json"])
    .description("the names of the secrets and when they were set")
    .argument("<env>", ABOUT_ENV)
    .option("--json", "print one JSON document on stdout")
    .action(async (env: string, options: { json?: boolean }) => {
      report(options, await (await openToRead(env)).secrets().list(), (list) => describeSecrets(list, env));
    });
}

function addRemove(command: Command): void {
  withExamples(command, ["landfall secrets remove local API_KEY", "landfall secrets remove staging OLD_KEY"])
    .description("forget a secret")
    .argument("<env>", ABOUT_ENV)
    .argument("<name>", "the secret's name")
    .option("--json", "print the report as JSON on stdout")
    .action(async (env: string, name: string, options: { json?: boolean }) => {
      const store = (await openToRead(env)).secrets();
      const known = (await store.list()).map((secret) => secret.name);
      if (!known.includes(name)) {
        throw new UsageProblem(`there is no secret "${name}" in environment "${env}"`, { why: `set are: ${known.join(", ") || "none"}` });
      }
      await store.remove(name);
      report(options, { environment: env, name }, () => `${name} is removed from ${env}.`);
    });
}

async function findValue(env: string, name: string, file: string | undefined): Promise<string> {
  const value = file === undefined ? await readValue(name) : await readValueFile(file);
  if (value !== "") return value;
  throw new UsageProblem(`no value for the secret "${name}" arrived`, {
    why: file === undefined ? "stdin was empty" : `the file "${file}" is empty`,
    next: `landfall secrets set ${env} ${name} < FILE`,
  });
}

/** Programs end their output with a line break that is not part of the value. */
async function readValue(name: string): Promise<string> {
  if (canAsk()) return ask(`value of ${name} (not shown): `, { hidden: true });
  return (await readInput()).replace(/\r?\n$/, "");
}

async function readValueFile(file: string): Promise<string> {
  const { loadText } = await import("../../index.ts");
  const text = loadText(file);
  if (text !== undefined) return text;
  throw new UsageProblem(`there is no file "${file}", given with --from-file`);
}
