import { expect, test } from "vitest";
import { BACKLOG_BYTES_MAX, Backlog } from "../../../../src/targets/local/log-writer/backlog.ts";
import type { LogEntry } from "../../../../src/targets/local/log-writer/log-file.ts";

/** A log that takes so many lines more. */
class Disk {
  room = Number.POSITIVE_INFINITY;
  readonly taken: LogEntry[] = [];

  append(entries: LogEntry[]): void {
    if (entries.length > this.room) throw new Error("no space left");
    this.room -= entries.length;
    this.taken.push(...entries);
  }
}

const entries = (from: number, to: number, rest = ""): LogEntry[] =>
  Array.from({ length: to - from + 1 }, (_, index) => ({ at: 1, stream: "stdout", line: `${from + index}${rest}`, run: 1 }));
const numbers = ({ taken }: Disk) => taken.flatMap(({ line, lost }) => (lost === undefined ? [Number.parseInt(line, 10)] : []));
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

test("what a log refuses waits, and comes in order when there is room, in parts if need be", () => {
  const disk = new Disk();
  const backlog = new Backlog(disk);
  backlog.append(entries(1, 10));
  expect([backlog.isEmpty, numbers(disk)]).toEqual([true, upTo(1, 10)]);
  disk.room = 0;
  backlog.append(entries(11, 1000));
  backlog.append(entries(1001, 2000));
  expect([backlog.isEmpty, numbers(disk)]).toEqual([false, upTo(1, 10)]);
  disk.room = 600;
  backlog.retry();
  expect([backlog.isEmpty, numbers(disk)]).toEqual([false, upTo(1, 510)]);
  disk.room = 10_000;
  // One that found room is asked at once for the next line.
  backlog.append(entries(2001, 2001));
  expect(backlog.isEmpty).toBe(false);
  backlog.retry();
  expect([backlog.isEmpty, numbers(disk)]).toEqual([true, upTo(1, 2001)]);
  expect(disk.taken.every(({ lost }) => lost === undefined)).toBe(true);
});

test("beyond its size the oldest lines are dropped, and the log names their exact number where they are missing", () => {
  const disk = new Disk();
  const backlog = new Backlog(disk);
  backlog.append(entries(1, 2));
  disk.room = 0;
  const long = "x".repeat(1000);
  for (let number = 3; number <= 5000; number++) backlog.append(entries(number, number, long));
  disk.room = 1;
  backlog.retry();
  const lost = disk.taken.at(-1)?.lost as number;
  expect(lost).toBeGreaterThan(5000 - BACKLOG_BYTES_MAX / 1000);
  expect(disk.taken.at(-1)).toMatchObject({ stream: "stderr", line: `${lost} lines before this one are lost: no space left`, run: 1 });
  // More is dropped while it still has no room: that is told apart.
  backlog.append(entries(5001, 5010, long));
  disk.room = 10_000;
  backlog.retry();
  expect(disk.taken.at(3)).toMatchObject({ lost: 10 });
  expect(numbers(disk)).toEqual([1, 2, ...upTo(2 + lost + 10 + 1, 5010)]);
  expect(disk.taken.at(-1)?.line).toBe(`5010${long}`);
});

test("lines without text count too", () => {
  const disk = new Disk();
  const backlog = new Backlog(disk);
  disk.room = 0;
  backlog.append(entries(1, 100_000).map((entry) => ({ ...entry, line: "" })));
  disk.room = Number.POSITIVE_INFINITY;
  backlog.retry();
  expect((disk.taken[0]?.lost as number) + disk.taken.length - 1).toBe(100_000);
  expect(disk.taken.length).toBeLessThan(BACKLOG_BYTES_MAX / 100);
});
