import type { Command } from "commander";
import type { RehearseOptions } from "../../index.ts";
import { type CommonOptions, perform, report } from "../operate.ts";
import { asActing } from "../options.ts";
import { describeRehearsal } from "../print/rehearsal.ts";
import { parseWhole, UsageProblem } from "../usage.ts";

const STRATEGIES = ["rolling", "blueGreen", "canary"] as const;

type Options = CommonOptions & { max?: string; rate?: string; strategy?: string; dirty?: boolean; from?: string };

export default function rehearse(command: Command): void {
  asActing(command, [
    "sudo landfall rehearse production",
    "sudo landfall rehearse web --strategy canary",
    "sudo landfall rehearse production --from v1.4.0",
  ])
    .option("--max <n>", "no fleet has more machines; 5 when left out")
    .option("--rate <n>", "requests a second; 20 when left out")
    .option("--strategy <name>", "rolling, blueGreen or canary; the first two when left out")
    .option("--from <ref>", "the release that serves before, as a git ref; the same one when left out")
    .option("--dirty", "release the files as they are, committed or not")
    .action(async (name: string, options: Options) => {
      const { dirty, from } = options;
      const choices: RehearseOptions = {
        max: options.max === undefined ? undefined : parseWhole(options.max, "--max", 1),
        rate: options.rate === undefined ? undefined : parseWhole(options.rate, "--rate", 1),
        strategies: options.strategy === undefined ? undefined : [parseStrategy(options.strategy)],
        dirty,
        from,
      };
      const library = await import("../../index.ts");
      report(options, await perform({ name }, options, (context) => library.rehearse(name, { ...choices, ...context })), describeRehearsal);
    });
}

function parseStrategy(text: string): (typeof STRATEGIES)[number] {
  const strategy = STRATEGIES.find((name) => name === text);
  if (strategy) return strategy;
  throw new UsageProblem(`--strategy "${text}" is none of ${STRATEGIES.join(", ")}`, { next: `--strategy ${STRATEGIES[0]}` });
}
