// A job's times on a machine are those of the local target: what cron and systemd make of the same schedule.
import { spawnSync } from "node:child_process";
import { Cron } from "croner";
import { describe, expect, test } from "vitest";
import { calendarsOf } from "../../src/machine/schedule.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";

const FROM = new Date("2026-03-05T23:58:30Z");
const TIMES = 8;

const SCHEDULES = [
  "* * * * *",
  "*/5 * * * *",
  "15 3 * * *",
  "0-30/10,45 8-18 * * 1-5",
  "0 0 1 * *",
  "30 6 1,15 * 1",
  "0 12 L * *",
  "5 4 29 2 *",
  "0 9 * JAN-MAR,dec MON,fri",
  "0 9 * * 5-7",
  "0 9 * * 0",
  "0 9 * * 5#2",
  "0 9 * * 5#L",
  "0 9 * 3 5#5",
];

describe("calendars", () => {
  test("are what people would write", () => {
    expect(calendarsOf("15 3 * * 1")).toEqual(["Mon *-*-* 03:15:00 UTC"]);
    expect(calendarsOf("30 6 1,15 * 1")).toEqual(["*-*-01,15 06:30:00 UTC", "Mon *-*-* 06:30:00 UTC"]);
  });

  test("are refused for what systemd has no word for", () => {
    expect(() => calendarsOf("0 0 15W * *")).toThrow('"15W" in the schedule "0 0 15W * *" cannot be put into a timer of systemd');
  });

  requires("systemd-analyze on PATH", isOnPath("systemd-analyze"))("to systemd", () => {
    test.each(SCHEDULES)("are the same times as cron's: %s", (schedule) => {
      const cron = new Cron(schedule, { paused: true, timezone: "UTC" });
      const expected: number[] = [];
      for (let at: Date | null = cron.nextRun(FROM); at && expected.length < TIMES; at = cron.nextRun(at)) expected.push(at.getTime());
      const found = calendarsOf(schedule).flatMap(timesOf);
      expect([...new Set(found)].sort((a, b) => a - b).slice(0, TIMES)).toEqual(expected);
    });
  });
});

function timesOf(calendar: string): number[] {
  const args = ["calendar", `--base-time=@${FROM.getTime() / 1000}`, `--iterations=${TIMES}`, calendar];
  const { stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8", env: { ...process.env, TZ: "UTC", LC_ALL: "C" } });
  expect(stderr).toBe("");
  return [...stdout.matchAll(/(?:Next elapse|Iter\. #\d+): \w{3} (\S+ \S+) UTC/g)].map(([, text]) => Date.parse(`${text?.replace(" ", "T")}Z`));
}
