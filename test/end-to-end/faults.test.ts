// Releases with a fault: each command fails with the right diagnosis, and the release before serves every request meanwhile. The whole
// catalogue, with oddities that are no faults, many times and with random timing, is run by bench/faults.ts.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAULTS, ODDITIES } from "./catalogue.ts";
import { codeOf, makeStage, SECRET } from "./faulty-stage.ts";
import { makeSandbox } from "./sandbox.ts";

/** The kinds that need no long watching, shared out over as many environments. */
const SHARES = [
  ["crash at start", "variable missing in Python", "password refused", "leaks a secret", "migration fails", "old instances never allow it"],
  ["nothing listens there", "disk full", "port in use", "module missing", "someone else answers", "worker crashes after it settled"],
  ["another port", "IPv6 only", "answers 401", "web does not stop", "slow start", "does not listen"],
];
const MIDDLE = () => 0.5;

// So many at once share the processors: each is waited for, however long the machine takes.
describe.concurrent("a release with a fault", { timeout: 600_000 }, () => {
  for (const [index, names] of SHARES.entries()) {
    it(`${names.join(", ")}`, async () => {
      const stage = await makeStage(sandbox, index);
      for (const fault of FAULTS.filter(({ name }) => names.includes(name))) {
        const outcome = await stage.deploy(fault.make(MIDDLE));
        const { code, stderr, lost } = outcome;
        expect(code, `${fault.name}: ${stderr}`).toBe(1);
        expect(fault.codes, `${fault.name}: ${stderr}`).toContain(codeOf(outcome));
        expect(
          fault.evidence.filter((text) => !stderr.includes(text)),
          `${fault.name}: ${stderr}`,
        ).toEqual([]);
        expect(stderr).not.toContain(SECRET);
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
    const stage = await makeStage(sandbox, SHARES.length);
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
});
