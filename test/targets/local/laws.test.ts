// The laws of the contract on this machine: real processes, a home of its own.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "vitest";
import { withLease } from "../../../src/state/lease.ts";
import { makeContext } from "../../../src/targets/local/context.ts";
import { loadRecord } from "../../../src/targets/local/record.ts";
import { openLocal } from "../../../src/targets/local/target.ts";
import { holdToLaws } from "../laws.ts";

describe("the laws of a target, on this machine", () => {
  holdToLaws(async () => {
    const home = mkdtempSync(join(tmpdir(), "landfall-laws-home-"));
    chmodSync(home, 0o711);
    process.env.LANDFALL_HOME = home;
    return {
      environment: { target: "local" },
      open: openLocal,
      hold: (input, act) => {
        const { paths, clock } = makeContext(input);
        return withLease({ file: paths.lease, clock, operation: "deploy" }, act);
      },
      batchOf: async (_, service, said) => {
        const started = said.flatMap((one) =>
          one.type === "started" && one.step.startsWith("start ") ? [one.step.split(/[ ,]+/).filter((word) => word.startsWith(`${service}.`))] : [],
        );
        return Math.max(...started.map((ids) => ids.length));
      },
      ask: async (input, path) => {
        const address = `http://127.0.0.1:${loadRecord(makeContext(input)).port}${path}`;
        const response = await fetch(address, { redirect: "manual" });
        await response.arrayBuffer();
        return response.status;
      },
      // The program itself does not start.
      whileNothingStarts: (act) => act(),
      end: async () => rmSync(home, { recursive: true, force: true }),
    };
  });
});
