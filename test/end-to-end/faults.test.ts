// Releases with a fault: each command fails with the right diagnosis, and the release before serves every request meanwhile. The whole
// catalogue, with oddities that are no faults, many times and with random timing, is run by bench/faults.ts.
import { afterAll, describe, expect, it } from "vitest";
import { FAULTS, type Fault, ODDITIES } from "./catalogue.ts";
import { codeOf, makeStage, SECRET } from "./faulty-stage.ts";
import { makeSandbox } from "./sandbox.ts";

const MIDDLE = () => 0.5;
const faultNamed = (name: string) => FAULTS.find((one) => one.name === name) as Fault;

// So many at once share the processors: each is waited for, however long the machine takes.
describe.concurrent("a release with a fault", { timeout: 600_000 }, () => {
  /** Kinds that need no long watching, shared out over some environments. */
  it.each([
    {
      stage: 0,
      kinds: {
        "crash at start": "INSTANCE_CRASHED",
        "variable missing in Python": "INSTANCE_VARIABLE_MISSING",
        "password refused": "INSTANCE_RESOURCE_REFUSED",
        "leaks a secret": "HEALTH_LEAKS",
        "migration fails": "MIGRATION_FAILED",
        "old instances never allow it": "DRAIN_VETOED",
      },
    },
    {
      stage: 1,
      kinds: {
        "nothing listens there": "INSTANCE_RESOURCE_UNREACHABLE",
        "disk full": "INSTANCE_DISK_FULL",
        "port in use": "INSTANCE_PORT_IN_USE",
        "module missing": "INSTANCE_FILE_MISSING",
        "someone else answers": "INSTANCE_FOREIGN_ANSWER",
        "worker crashes after it settled": "INSTANCE_CRASHED",
      },
    },
    {
      stage: 2,
      kinds: {
        "another port": "INSTANCE_WRONG_PORT",
        "IPv6 only": "INSTANCE_WRONG_ADDRESS",
        "answers 401": "HEALTH_STATUS",
        "web does not stop": "INSTANCE_IGNORED_STOP",
        "slow start": "INSTANCE_SLOW_START",
        "does not listen": "INSTANCE_NOT_LISTENING",
      },
    },
  ])("is told with its cause: $kinds", async ({ stage: index, kinds }) => {
    const stage = await makeStage(sandbox, index);
    for (const [name, expected] of Object.entries(kinds)) {
      const { make, evidence } = faultNamed(name);
      const outcome = await stage.deploy(make(MIDDLE));
      const { stderr, lost } = outcome;
      expect(codeOf(outcome), `${name}: ${stderr}`).toBe(expected);
      expect(
        evidence.filter((text) => !stderr.includes(text)),
        `${name}: ${stderr}`,
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

  it("and one that is only odd", async () => {
    const stage = await makeStage(sandbox, 3);
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

  const sandbox = makeSandbox({ strayApps: true });
  afterAll(() => sandbox.dispose());
});
