// What every suite on the emulator needs: one emulator behind one proxy for the suite, and an unused account for each test.
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { hasPython } from "../python.ts";
import { requires } from "../skips.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { type FaultProxy, startProxy } from "./proxy.ts";
import { compareWithModels } from "./service-models.ts";
import { makeStage, type Stage } from "./stage.ts";

/** Read when a test runs: before that there is none of it. */
export interface World {
  emulator: Emulator;
  proxy: FaultProxy;
  /** Another one for each test, with no rules and no calls so far. */
  stage: Stage;
}

/** A suite that is skipped, with its reason, where the emulator cannot run. `body` may add hooks of its own; they come after these. */
export function onEmulator(name: string, body: (world: World) => void): void {
  requires("python3 with venv", hasPython())(name, () => {
    const world = {} as World;
    const exchanges: string[] = [];
    beforeAll(async () => {
      world.emulator = await startEmulator();
      world.proxy = await startProxy(world.emulator.port);
      world.proxy.record = (exchange) => exchanges.push(JSON.stringify(exchange));
    });
    afterAll(async () => {
      await world.proxy?.stop();
      await world.emulator?.stop();
    });
    beforeEach(() => {
      world.emulator.setRules([]);
      world.emulator.setVcpus();
      world.emulator.setTasks();
      world.proxy.clear();
      world.stage = makeStage(world.proxy.port);
    });
    body(world);
    // Of all that the tests above have called, whatever they are about.
    it("asks as AWS's services may be asked, and is answered as they answer", () => {
      expect(exchanges.length).toBeGreaterThan(0);
      expect(compareWithModels(exchanges)).toEqual({});
    });
  });
}
