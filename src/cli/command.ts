// A command of Commander's whose refusals are UsageProblems. Commander calls these methods, which its types leave out, where it would
// otherwise tell the mistake as an English sentence; test/cli/usage.test.ts meets each of them.
import { Command as CommanderCommand, type Option } from "commander";
import { suggestions } from "../text/suggest.ts";
import { MissingEnvironment, UsageProblem } from "./usage.ts";

export class Command extends CommanderCommand {
  override createCommand(name?: string): Command {
    return new Command(name);
  }

  /** As it is typed: `landfall secrets set`. */
  get #path(): string[] {
    const names: string[] = [];
    for (let command: CommanderCommand | null = this; command; command = command.parent) names.unshift(command.name());
    return names;
  }

  get #help(): string {
    const [, name] = this.#path;
    return name === undefined ? "landfall --help" : `landfall help ${name}`;
  }

  unknownCommand(): never {
    const [name = ""] = this.args;
    const names = this.commands.map((command) => command.name());
    throw new UsageProblem(`there is no command "${this.#path.join(" ")} ${name}"`, { next: meantInstead(name, names) ?? this.#help });
  }

  unknownOption(flag: string): never {
    const options = this.createHelp().visibleOptions(this);
    const flags = options.flatMap(({ long }) => long ?? []);
    // Options of the program that `exec` runs are easily taken for ours.
    const advice = this.name() === "exec" ? "put -- before the command to run:  landfall exec local web -- ls -l" : this.#help;
    throw new UsageProblem(`"${this.#path.join(" ")}" has no option "${flag}"`, {
      next: (flag.startsWith("--") && meantInstead(flag, flags)) || advice,
    });
  }

  missingArgument(name: string): never {
    const path = this.#path.join(" ");
    throw name === "env" ? new MissingEnvironment(path, this.#help) : new UsageProblem(`"${path}" needs <${name}>`, { next: this.#help });
  }

  optionMissingArgument({ flags }: Option): never {
    throw new UsageProblem(`option "${flags}" of "${this.#path.join(" ")}" has no value`, { next: this.#help });
  }

  _excessArguments(extra: string[]): never {
    const path = this.#path;
    const expected = this.registeredArguments.length;
    const takes = expected === 0 ? "no argument" : `${expected} argument${expected === 1 ? "" : "s"}`;
    throw new UsageProblem(`"${path.join(" ")}" takes ${takes}, but ${extra.length} were given`, {
      // What is too much for `secrets set` is likely the value.
      why: path[1] === "secrets" ? undefined : [...path, ...extra].join(" "),
      next: this.#help,
    });
  }
}

function meantInstead(word: string, words: string[]): string | undefined {
  const meant = suggestions(word, words);
  return meant.length > 0 ? `did you mean  ${meant.join("  or  ")} ?` : undefined;
}
