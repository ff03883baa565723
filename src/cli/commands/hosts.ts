import type { Command } from "commander";
import type { Inventory } from "../../index.ts";
import { openToRead, report } from "../operate.ts";
import { asReading } from "../options.ts";
import { alignRows } from "../print/format.ts";
import { printJson } from "../print/terminal.ts";
import { UsageProblem } from "../usage.ts";

interface HostsOptions {
  json?: boolean;
  list?: boolean;
  host?: string;
}

/** With --list and --host it keeps to Ansible's protocol for inventory scripts: JSON, whatever else is asked. */
export default function hosts(command: Command): void {
  asReading(command, ["landfall hosts local", "landfall hosts local --list > inventory.json"])
    .option("--list", "the whole inventory as JSON, as Ansible asks for it")
    .option("--host <name>", "the variables of one host as JSON, as Ansible asks for it")
    .action(async (env: string, options: HostsOptions) => {
      if (options.list && options.host !== undefined) throw new UsageProblem("--list and --host exclude each other");
      const inventory = await (await openToRead(env)).hosts();
      if (options.host !== undefined) return printJson(variablesOf(inventory, options.host, env));
      report({ json: options.json || options.list }, inventory, describeHosts);
    });
}

function variablesOf({ _meta: { hostvars } }: Inventory, host: string, env: string) {
  const variables = hostvars[host];
  if (variables) return variables;
  throw new UsageProblem(`there is no host "${host}" in environment "${env}"`, {
    why: `the hosts are ${
      Object.keys(hostvars)
        .map((name) => `"${name}"`)
        .join(", ") || "none"
    }`,
    next: `landfall hosts ${env}`,
  });
}

function describeHosts({ _meta: { hostvars } }: Inventory): string {
  const rows = Object.entries(hostvars).map(([name, variables]) => [name, ...Object.entries(variables).map(([key, value]) => `${key}=${value}`)]);
  return rows.length === 0 ? "No hosts." : alignRows(rows).join("\n");
}
