import { expect, it } from "vitest";
import { joinLines, LineJoiner } from "../../../../src/targets/local/log-writer/line-joiner.ts";
import type { LogEntry } from "../../../../src/targets/local/log-writer/log-file.ts";

const entry = (line: string, rest: Partial<LogEntry> = {}): LogEntry => ({ at: 1, stream: "stdout", run: 1, line, ...rest });
const part = (line: string, rest: Partial<LogEntry> = {}) => entry(line, { part: true, ...rest });

it("joins the parts of a line, whatever the other stream says between them", () => {
  const lines = joinLines([part("a"), entry("other", { stream: "stderr" }), part("b", { at: 2 }), entry("c", { at: 3 }), entry("next", { at: 4 })]);
  expect(lines).toEqual([
    { at: 1, run: 1, stream: "stderr", line: "other" },
    { at: 1, run: 1, stream: "stdout", line: "abc" },
    { at: 4, run: 1, stream: "stdout", line: "next" },
  ]);
});

it("says of a line whose end is missing that there is more of it: at the end, before another run, and before lines that are lost", () => {
  const cut = { at: 1, run: 1, stream: "stdout", part: true };
  expect(joinLines([part("a")])).toEqual([{ ...cut, line: "a" }]);
  expect(joinLines([part("a"), entry("b", { run: 2 })])).toEqual([
    { ...cut, line: "a" },
    { at: 1, run: 2, stream: "stdout", line: "b" },
  ]);
  expect(joinLines([part("a"), entry("3 lines are lost", { lost: 3 })])).toMatchObject([{ ...cut, line: "a" }, { line: "3 lines are lost" }]);
});

it("gives a line of more than 8 Mi characters in pieces, of which only the first has its beginning", () => {
  const chunk = "x".repeat(1024 * 1024);
  const entries = [...Array.from({ length: 20 }, () => part(chunk)), entry("end"), entry("next")];
  const joiner = new LineJoiner();
  const lines = entries.flatMap((one) => joiner.add(one));
  expect(lines.map(({ line, part, continued }) => [line.length, part, continued])).toEqual([
    [9 * chunk.length, true, undefined],
    [9 * chunk.length, true, true],
    [2 * chunk.length + 3, undefined, true],
    [4, undefined, undefined],
  ]);
  expect(joinLines(entries).map(({ line }) => line.length)).toEqual([9 * chunk.length, 4]);
});
