// From the words that were typed to one command's file, and from whatever went wrong to text and an exit status.
import { Command, CommanderError } from "commander";
import { ARGUMENTS, COMMANDS, NOT_BUILT } from "./commands.ts";
import { heedSignals } from "./interruption.ts";
import { endQuietlyOnClosedPipe, printErr, printOut } from "./print/terminal.ts";

const VERSION = "0.1.0";

/** Runs one command line to its end and sets the process's exit status; never rejects. */
export async function runCommandLine(argv: string[]): Promise<void> {
  endQuietlyOnClosedPipe();
  heedSignals();
  const words = argv[0] === "help" ? [...argv.slice(1, 2), "--help"] : argv;
  try {
    const program = await makeProgram(words.find((word) => !word.startsWith("-")));
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && isHelp(error)) {
      // Help that was asked for is a success; help instead of a missing command is wrong use.
      process.exitCode = error.code === "commander.help" ? 2 : 0;
      return;
    }
    const { reportFailure } = await import("./failure.ts");
    process.exitCode = await reportFailure(error, words);
  }
}

const isHelp = ({ code }: CommanderError) => ["commander.help", "commander.helpDisplayed", "commander.version"].includes(code);

/** The program with all commands by name; only `wanted` has its options and its action. */
async function makeProgram(wanted: string | undefined): Promise<Command> {
  const program = new Command("landfall")
    .description("Takes a web application from its repository to a running fleet, and looks after it.")
    .version(VERSION, "--version", "print the version")
    .helpOption("-h, --help", "print what can be typed here")
    .helpCommand(false)
    .configureOutput({ writeOut: (text) => printOut(text.trimEnd()), writeErr: (text) => printErr(text.trimEnd()), outputError: () => {} })
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}`.trimEnd(), helpWidth: 100 })
    .exitOverride();
  for (const entry of COMMANDS) {
    const command = program.command(entry.name).description(entry.about);
    addArguments(command, entry.usage);
    if (entry.name === wanted) (await entry.load()).default(command);
    // Help of the program lists commands as they are typed; a command's own help also says where options go.
    else command.usage(entry.usage || " ");
  }
  for (const [name, about] of Object.entries(NOT_BUILT)) addNotBuilt(program.command(name), about);
  return program.addHelpText("after", "\nMore about a command:  landfall help <command>");
}

export function addArguments(command: Command, usage: string): void {
  for (const argument of usage.split(" ").filter(Boolean)) {
    command.argument(argument, ARGUMENTS[argument.replace(/[^a-z]/g, "")]);
  }
}

function addNotBuilt(command: Command, about: string): void {
  command
    .description(`${about} (not built yet)`)
    .usage(" ")
    .argument("[anything...]")
    .allowUnknownOption()
    .action(async () => {
      const { LandfallError } = await import("../index.ts");
      throw new LandfallError({
        code: "NOT_BUILT",
        what: `the command "landfall ${command.name()}" is not built yet`,
        why: `It is to do this: ${about}.`,
        standing: "Nothing was changed.",
      });
    });
}
