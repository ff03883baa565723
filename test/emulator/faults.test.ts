// A sample of the faults; bench/aws-faults.ts tries them all. LANDFALL_SEED gives other ones.
import { beforeAll, expect, it } from "vitest";
import { makeRandom } from "../simulation/random.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { type Expected, OPERATIONS, observeExpected, tryPoint } from "./faults.ts";
import { onEmulator } from "./suite.ts";

const SEED = Number(process.env.LANDFALL_SEED ?? Date.now() % 1_000_000);

const random = makeRandom(SEED);
const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
/** One of each: AWS did nothing, AWS did it, and the process is gone. */
const FAULTS = [["failed", "throttled"], ["lost"], ["killed before", "killed after"]] as const;

onEmulator(`a fault at a call, seed ${SEED}`, (world) => {
  let expected: Expected;

  beforeAll(async () => {
    expected = await observeExpected(world);
  });

  const kinds = OPERATIONS.flatMap((operation) => FAULTS.map((faults) => ({ operation, fault: pick(faults) })));
  it.each(kinds)("of $operation, $fault: the next run makes it good", async (kind) => {
    const call = 1 + Math.floor(random() * expected.calls[kind.operation]);
    const { wrong, action, ended } = await tryPoint(world, { ...kind, call }, expected);
    expect({ call, action, ended, wrong }).toMatchObject({ wrong: [] });
  });

  it("is tried away by the SDK when it comes once", async () => {
    world.proxy.rule = ({ number }) => (number % 7 === 0 ? { answer: (["throttled", "failed", "lost"] as const)[number % 3] } : undefined);
    expect((await world.stage.commission(SMALL)).changed).toBe(true);
    expect(world.proxy.calls.length).toBeGreaterThan(expected.calls.commission);
  });

  it("that denies a call is named", async () => {
    world.proxy.rule = ({ action }) => (action === "CreateChangeSet" ? { answer: "denied" } : undefined);
    await expect(world.stage.commission(SMALL)).rejects.toMatchObject({
      code: "AWS_ACCESS_DENIED",
      parts: { what: 'AWS does not allow "cloudformation:CreateChangeSet"' },
    });
  });
});
