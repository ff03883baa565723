import { parseEnv } from "node:util";
import type { Command } from "commander";
import { type CommonOptions, openToRead, report } from "../operate.ts";
import { withExamples } from "../options.ts";
import { describeSecrets, describeSecretsSet } from "../print/reports.ts";
import { ask, canAsk, readInput } from "../print/terminal.ts";
import { UsageProblem } from "../usage.ts";

const ABOUT_ENV = "an environment of landfall.config.ts";
const ABOUT_REVOKE = "replace it in the releases too that keep the value they were deployed with";

/** A value never comes from the command line itself: other users can read that, and shells remember it. */
export default function secrets(command: Command): void {
  withExamples(command, ["landfall secrets set local API_KEY < key.txt", "landfall secrets list local"]);
  addSet(command.command("set"));
  addImport(command.command("import"));
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
    .option("--revoke", ABOUT_REVOKE)
    .action(async (env: string, name: string, options: SetOptions & { fromFile?: string }) => {
      const store = (await openToRead(env)).secrets();
      const value = await findValue(env, name, options.fromFile);
      report(options, await store.set(Object.fromEntries([[name, value]]), options), describeSecretsSet);
    });
}

type SetOptions = Pick<CommonOptions, "json"> & { revoke?: boolean };

/** Several at once, as they stand in a file of NAME=value lines. */
function addImport(command: Command): void {
  withExamples(command, ["landfall secrets import local .env", "grep ^STRIPE_ .env | landfall secrets import local -"])
    .description("set every secret that a .env file has")
    .argument("<env>", ABOUT_ENV)
    .argument("<file>", "lines of NAME=value; - for stdin")
    .option("--json", "print the report as JSON on stdout")
    .option("--revoke", ABOUT_REVOKE)
    .action(async (env: string, file: string, options: SetOptions) => {
      const store = (await openToRead(env)).secrets();
      const text = file === "-" ? decode(await readInput(), "stdin") : await readValueFile(file);
      const values = parseEnvFile(text, file === "-" ? "stdin" : `the file "${file}"`);
      report(options, await store.set(values, options), describeSecretsSet);
    });
}

const END = "LANDFALL_END";

/** Refuses a line that would be passed over, without its words, which may be a value. The parser takes such a line for a part of the next name. */
function parseEnvFile(text: string, source: string): Record<string, string> {
  const parsed = Object.entries(parseEnv(`${text.replace(/^\uFEFF/, "")}\n${END}=`));
  const values = Object.fromEntries(parsed.flatMap(([name, value = ""]): [string, string][] => (name === END ? [] : [[name, value]])));
  const broken = Object.keys(values).find((name) => /\s/.test(name));
  if (broken !== undefined) {
    const line = text.slice(0, text.indexOf(broken.split(/\s/, 1)[0] ?? "")).split("\n").length;
    throw new UsageProblem(`line ${line} of ${source} is not NAME=value`);
  }
  if (Object.keys(values).length === 0) throw new UsageProblem(`${source} has no line NAME=value`);
  return values;
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
      const names = (await store.list()).map((secret) => secret.name);
      if (!names.includes(name)) {
        throw new UsageProblem(`there is no secret "${name}" in environment "${env}"`, { why: `set are: ${names.join(", ") || "none"}` });
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
  return decode(await readInput(), "stdin").replace(/\r?\n$/, "");
}

async function readValueFile(file: string): Promise<string> {
  const { loadBytes } = await import("../../system/files.ts");
  const bytes = loadBytes(file);
  if (bytes) return decode(bytes, `the file "${file}"`);
  throw new UsageProblem(`there is no file "${file}"`);
}

/** A variable is text: other bytes would reach programs changed, or not at all. */
function decode(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageProblem(`what ${source} holds is no text in UTF-8`, { next: "give it in base64, and let the app decode it" });
  }
}
