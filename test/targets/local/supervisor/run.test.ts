// What runs once: a migration must never run a second time because an answer was lost or something was killed.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ProcessSpec } from "../../../../src/targets/local/supervisor/api.ts";
import { linesOf, makeEnvironment, program, type TestEnvironment, until } from "./environment.ts";

let environment: TestEnvironment;
beforeEach(async () => {
  environment = await makeEnvironment();
});
afterEach(() => environment.remove());

/** Writes a line each time it begins, and ends with status 4 when the file `go` is there. */
const migration = (): ProcessSpec => {
  const file = (name: string) => JSON.stringify(join(environment.paths.environment, name));
  const code = `const fs = require("fs"); fs.appendFileSync(${file("ran")}, "ran\\n"); console.log("migrating");
    setInterval(() => { if (fs.existsSync(${file("go")})) process.exit(4) }, 5)`;
  return program("release.expand.r1", code, { kind: "job", restart: "never" });
};
const ran = () => {
  const file = join(environment.paths.environment, "ran");
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
};
/** Asks for a run, and is gone together with the supervisor. */
const abandon = (input: { spec: ProcessSpec; timeoutMs: number }) => {
  environment
    .supervisor()
    .then(() => environment.mortal().run(input))
    .catch(() => {});
};
const letGo = () => writeFileSync(join(environment.paths.environment, "go"), "");

describe("a run", () => {
  test("that is asked for again while it runs, or after, is the same run until it is forgotten", async () => {
    const supervisor = await environment.supervisor();
    const input = { spec: migration(), timeoutMs: 60_000 };
    const first = supervisor.run(input);
    await until(() => ran() === 1);
    const second = supervisor.run(input);
    letGo();
    expect(await first).toMatchObject({ timedOut: false, exit: { code: 4, lastLines: ["migrating"] } });
    expect(await second).toEqual(await first);
    expect(await supervisor.run(input)).toEqual(await first);
    expect(ran()).toBe(1);

    await supervisor.forget({ id: input.spec.id });
    await supervisor.forget({ id: input.spec.id });
    expect(await supervisor.run(input)).toMatchObject({ exit: { code: 4 } });
    expect(ran()).toBe(2);
  });

  test("that still runs cannot be forgotten", async () => {
    const supervisor = await environment.supervisor();
    const { spec } = await supervisor.start(migration());
    await supervisor.forget({ id: spec.id });
    expect(await environment.record(spec.id)).toMatchObject({ state: "running" });
  });

  test("keeps its end and its time budget over a crash of the supervisor", async () => {
    const input = { spec: migration(), timeoutMs: 60_000 };
    abandon(input);
    await until(() => ran() === 1);
    await environment.crashSupervisor();
    letGo();
    await until(async () => (await environment.record(input.spec.id)).state === "exited");
    await environment.crashSupervisor();
    expect(await (await environment.supervisor()).run(input)).toMatchObject({ timedOut: false, exit: { code: 4, lastLines: ["migrating"] } });
    expect(ran()).toBe(1);
  });

  test("whose time is up while no supervisor is there is stopped by the next, and stays so recorded", async () => {
    const input = { spec: migration(), timeoutMs: 60_000 };
    abandon(input);
    await until(() => ran() === 1);
    await environment.crashSupervisor();
    environment.editRecords((record) => {
      record.endsBy = Date.now() - 1;
    });
    const outcome = { timedOut: true, exit: { signal: "SIGTERM" } };
    expect(await (await environment.supervisor()).run(input)).toMatchObject(outcome);
    await environment.crashSupervisor();
    expect(await (await environment.supervisor()).run(input)).toMatchObject(outcome);
    expect(ran()).toBe(1);
  });

  test("that ran when the machine went down is lost, and not run again", async () => {
    const input = { spec: migration(), timeoutMs: 60_000 };
    abandon(input);
    await until(() => linesOf(environment.paths, input.spec.id).length === 1);
    await environment.reboot();
    const { exit } = await (await environment.supervisor()).run(input);
    expect(exit).toMatchObject({ lost: true, lastLines: ["migrating"] });
    expect(ran()).toBe(1);
    expect(environment.events().find(({ type }) => type === "exited")?.text).toBe("lost when the machine was started again");
  });
});

test("a run whose supervisor is killed at any moment happens exactly once", async () => {
  for (let time = 0; time < 8; time++) {
    const done = join(environment.paths.environment, `done.${time}`);
    const spec = program(`once.${time}`, `require("fs").appendFileSync(${JSON.stringify(done)}, "x"); process.exit(5)`, {
      kind: "job",
      restart: "never",
    });
    const outcome = (await environment.supervisor()).run({ spec, timeoutMs: 60_000 });
    const { supervisor } = await (await environment.supervisor()).observe();
    await new Promise((resolve) => setTimeout(resolve, time * 6));
    process.kill(supervisor.pid, "SIGKILL");
    expect(await outcome).toMatchObject({ timedOut: false, exit: { code: 5 } });
    expect(readFileSync(done, "utf8")).toBe("x");
  }
});
