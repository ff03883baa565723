// From the words that were typed to one command's file, and from whatever went wrong to text and an exit status.
import { CommanderError } from "commander";
import { Command } from "./command.ts";
import { ARGUMENTS, COMMANDS, type CommandEntry } from "./commands.ts";
import { handleSignals, mustGoOn } from "./interruption.ts";
import { outliveReaders, printErr, printOut } from "./print/terminal.ts";

const VERSION = "0.1.0";

/** Runs one command line to its end and sets the process's exit status; never rejects. */
export async function runCommandLine(argv: string[]): Promise<void> {
  outliveReaders(mustGoOn);
  handleSignals();
  const words = argv[0] === "help" ? [...argv.slice(1, 2), "--help"] : argv;
  try {
    const wanted = words.find((word) => !word.startsWith("-"));
    // Nothing that follows the name of a command concerns another one.
    const program = await makeProgram(
      wanted,
      COMMANDS.filter(({ name }) => name === words[0]),
    );
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

/** The program with `entries`, or with all commands when there are none; only `commandName` has its options and its action. */
export async function makeProgram(commandName: string | undefined, entries: CommandEntry[] = []): Promise<Command> {
  const program = new Command("landfall")
    .description("Takes a web application from its repository to a running fleet, and looks after it.")
    .version(VERSION, "--version", "print the version")
    .helpOption("-h, --help", "print what can be typed here")
    .helpCommand(false)
    .configureOutput({ writeOut: (text) => printOut(text.trimEnd()), writeErr: (text) => printErr(text.trimEnd()), outputError: () => {} })
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}`.trimEnd(), helpWidth: 100 })
    .exitOverride();
  for (const entry of entries.length > 0 ? entries : COMMANDS) {
    const command = program.command(entry.name).description(entry.about);
    addArguments(command, entry.usage);
    if (entry.name === commandName) (await entry.load()).default(command);
    // Help of the program lists commands as they are typed; a command's own help also says where options go.
    else command.usage(entry.usage || " ");
  }
  return program.addHelpText("after", "\nMore about a command:  landfall help <command>");
}

export function addArguments(command: Command, usage: string): void {
  for (const argument of usage.split(" ").filter(Boolean)) {
    command.argument(argument, ARGUMENTS[argument.replace(/[^a-z]/g, "")]);
  }
}
