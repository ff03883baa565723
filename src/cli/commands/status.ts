import type { Command } from "commander";
import { type CommonOptions, openToRead, report } from "../operate.ts";
import { asReading } from "../options.ts";
import { describeStatus } from "../print/status.ts";
import { paintOut } from "../print/terminal.ts";

export default function status(command: Command): void {
  asReading(command, ["landfall status local", "landfall status local --json | jq -r .address"]).action(
    async (env: string, options: CommonOptions) => {
      const environment = await openToRead(env);
      report(options, await environment.status(), (standing) => describeStatus(standing, { paint: paintOut(), now: Date.now() }));
    },
  );
}
