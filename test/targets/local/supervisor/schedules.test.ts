import { afterEach, describe, expect, it } from "vitest";
import { describeMissed, findMissed } from "../../../../src/targets/local/supervisor/schedules.ts";
import { makeEnvironment, program, type TestEnvironment, until } from "./environment.ts";

const at = (text: string) => Date.parse(`2026-01-01T${text}Z`);

describe("the times of a schedule that were missed", () => {
  it.each([
    { since: "12:00:00", until: "12:04:59", missed: [] },
    { since: "12:00:00", until: "12:05:00", missed: ["2026-01-01T12:05:00Z"] },
    { since: "12:01:30", until: "12:12:00", missed: ["2026-01-01T12:05:00Z", "2026-01-01T12:10:00Z"] },
  ])("$since to $until: $missed", ({ since, until: end, missed }) => {
    const found = findMissed("*/5 * * * *", { since: at(since), until: at(end) });
    expect(found.map((time) => time.toISOString().replace(".000", ""))).toEqual(missed);
  });

  it("are told in one line, however many", () => {
    const told = (end: string) => describeMissed(findMissed("*/5 * * * *", { since: at("12:00:00"), until: Date.parse(end) }));
    expect(told("2026-01-01T12:05:00Z")).toBe("2026-01-01T12:05:00Z passed while no supervisor ran: nothing was run");
    expect(told("2026-01-01T12:59:00Z")).toBe("11 times passed, one of them 2026-01-01T12:55:00Z, while no supervisor ran: nothing was run");
    expect(told("2027-01-01T12:00:00Z")).toMatch(/^1000 or more times passed/);
  });
});

describe("a supervisor that was away", () => {
  let environment: TestEnvironment;
  afterEach(() => environment.remove());

  it("says once what was due meanwhile, and runs what is due from then on", async () => {
    environment = await makeEnvironment();
    const client = await environment.supervisor();
    await client.start(program("tick.job", "", { kind: "job", restart: "never", schedule: { cron: "* * * * * *", timeoutMs: 5_000 } }));
    await environment.event(({ type }) => type === "job-run");
    await environment.crashSupervisor();
    const away = Date.now();
    await until(() => Date.now() > away + 2_100);
    await environment.supervisor();
    expect((await environment.event(({ type }) => type === "job-missed")).text).toMatch(/while no supervisor ran: nothing was run$/);
    await environment.event(({ type, at: time }) => type === "job-run" && time > away + 2_100);
    expect(environment.events().filter(({ type }) => type === "job-missed")).toHaveLength(1);
  });
});
