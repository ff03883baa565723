// Releases with a fault: each command fails with the right diagnosis, and the release before serves every request meanwhile. The whole
// catalogue, with oddities that are no faults, many times and with random timing, is run by bench/faults.ts.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommissionReport, DeployReport, Status } from "../../src/reports.ts";
import { configOf, FAULTS, ODDITIES, type Variant } from "./catalogue.ts";
import { change, makeSandbox } from "./sandbox.ts";

/** The kinds that need no long watching, shared out over as many environments. */
const SHARES = [
  ["crash at start", "comes to its end", "command not found", "variable missing in Python", "password refused", "leaks a secret", "migration fails"],
  ["nothing listens there", "disk full", "out of memory", "port in use", "module missing", "someone else answers", "worker misses a variable"],
  ["another port", "IPv6 only", "answers 500", "answers 401", "speaks no HTTP", "web does not stop", "folder missing"],
  ["slow start", "does not answer", "does not listen", "answers this and that", "command not executable", "worker crashes once it is loaded"],
];
const MIDDLE = () => 0.5;

describe.concurrent("a release with a fault", () => {
  for (const [index, names] of SHARES.entries()) {
    it(`${names.join(", ")}`, async () => {
      const stage = await makeStage(index);
      for (const fault of FAULTS.filter(({ name }) => names.includes(name))) {
        const { code, stderr, lost } = await stage.deploy(fault.make(MIDDLE));
        expect(code, `${fault.name}: ${stderr}`).toBe(1);
        expect(fault.codes, `${fault.name}: ${stderr}`).toContain(/^error: .*?([A-Z][A-Z_]{4,})$/m.exec(stderr)?.[1]);
        expect(
          fault.evidence.filter((text) => !stderr.includes(text)),
          `${fault.name}: ${stderr}`,
        ).toEqual([]);
        expect(stderr).not.toContain("horse-battery");
        expect(lost).toEqual([]);
      }
      const status = await stage.status();
      expect(status).toMatchObject({
        release: stage.good,
        services: [
          { name: "web", wanted: 1, healthy: 1 },
          { name: "worker", wanted: 1, healthy: 1 },
        ],
      });
    });
  }

  it("and one that is only odd", async () => {
    const stage = await makeStage(SHARES.length);
    const names = [
      "opens its metrics port first",
      "answers 502 at first",
      "complains while it is healthy",
      "leaves its process group",
      "tells of itself",
    ];
    for (const oddity of ODDITIES.filter(({ name }) => names.includes(name))) {
      const { code, stderr, lost } = await stage.deploy(oddity.make(MIDDLE));
      expect(code, `${oddity.name}: ${stderr}`).toBe(0);
      expect(lost).toEqual([]);
    }
  });

  const sandbox = makeSandbox();
  afterAll(() => sandbox.dispose());
  beforeAll(() => expect(new Set(SHARES.flat()).size).toBe(FAULTS.filter(({ name }) => SHARES.flat().includes(name)).length));

  async function makeStage(index: number) {
    const name = `faulty-${index}`;
    const app = sandbox.copyApp("test/fixtures/apps/faulty", name);
    const release = ({ fault, config }: Variant) => {
      writeFileSync(join(app, "landfall.config.ts"), configOf(name, config));
      change(app, "fault.json", JSON.stringify(fault));
    };
    const run = async <T>(...args: string[]) => {
      const { code, stdout, stderr } = await sandbox.runWithInput("horse-battery-staple-4711\n", app, ...args);
      expect(code, stderr).toBe(0);
      return (args.includes("--json") ? JSON.parse(stdout) : undefined) as T;
    };
    release({ fault: {} });
    const { address } = await run<CommissionReport>("commission", "local", "--json");
    await run("secrets", "set", "local", "SESSION_KEY");
    const { release: good } = await run<DeployReport>("deploy", "local", "--json");
    return {
      good,
      status: () => run<Status>("status", "local", "--json"),
      async deploy(variant: Variant) {
        release(variant);
        const stopWatching = watchAddress(address);
        const outcome = await sandbox.run(app, "deploy", "local");
        return { ...outcome, lost: await stopWatching() };
      },
    };
  }

  /** Asks again and again until it is stopped; the answers that no release gave. */
  function watchAddress(address: string) {
    const lost: string[] = [];
    let going = true;
    const done = (async () => {
      while (going) {
        const answer = await fetch(address).then(async (response) => `${response.status} ${await response.text()}`, String);
        if (!/^200 release \w+\n$/.test(answer)) lost.push(answer);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    return async () => {
      going = false;
      await done;
      return lost;
    };
  }
});
