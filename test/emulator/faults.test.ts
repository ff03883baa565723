// A sample of the faults; bench/aws-faults.ts tries them all. LANDFALL_SEED gives other ones.
import { afterAll, beforeAll, expect, it } from "vitest";
import { hasPython } from "../python.ts";
import { makeRandom } from "../simulation/random.ts";
import { requires } from "../skips.ts";
import { SMALL } from "../targets/aws/stacks/apps.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { type Expected, OPERATIONS, observeExpected, tryPoint } from "./faults.ts";
import { type FaultProxy, startProxy } from "./proxy.ts";
import { makeStage } from "./stage.ts";

const SEED = Number(process.env.LANDFALL_SEED ?? Date.now() % 1_000_000);

const random = makeRandom(SEED);
const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
/** One of each: AWS did nothing, AWS did it, and the process is gone. */
const FAULTS = [["failed", "throttled"], ["lost"], ["killed before", "killed after"]] as const;

requires("python3 with venv", hasPython())(`a fault at a call, seed ${SEED}`, () => {
  let emulator: Emulator;
  let proxy: FaultProxy;
  let expected: Expected;

  beforeAll(async () => {
    emulator = await startEmulator();
    proxy = await startProxy(emulator.port);
    expected = await observeExpected(proxy);
  });
  afterAll(async () => {
    await proxy?.stop();
    await emulator?.stop();
  });

  const kinds = OPERATIONS.flatMap((operation) => FAULTS.map((faults) => ({ operation, fault: pick(faults) })));
  it.each(kinds)("of $operation, $fault: the next run makes it good", async (kind) => {
    const call = 1 + Math.floor(random() * expected.calls[kind.operation]);
    const { wrong, action, ended } = await tryPoint(proxy, { ...kind, call }, expected);
    expect({ call, action, ended, wrong }).toMatchObject({ wrong: [] });
  });

  it("is tried away by the SDK when it comes once", async () => {
    const stage = makeStage(proxy.port);
    proxy.clear();
    proxy.rule = ({ number }) => (number % 7 === 0 ? { answer: (["throttled", "failed", "lost"] as const)[number % 3] } : undefined);
    expect((await stage.commission(SMALL)).changed).toBe(true);
    expect(proxy.calls.length).toBeGreaterThan(expected.calls.commission);
  });

  it("that denies a call is named", async () => {
    proxy.clear();
    proxy.rule = ({ action }) => (action === "CreateChangeSet" ? { answer: "denied" } : undefined);
    await expect(makeStage(proxy.port).commission(SMALL)).rejects.toMatchObject({
      code: "AWS_ACCESS_DENIED",
      parts: { what: 'AWS does not allow "cloudformation:CreateChangeSet"' },
    });
  });
});
