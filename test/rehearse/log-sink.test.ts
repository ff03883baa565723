// The limits of PutLogEvents, one by one: at the limit it is taken, beyond it is refused.
import { beforeEach, describe, expect, it } from "vitest";
import type { AwsAnswer, AwsCall } from "../../src/rehearse/endpoints.ts";
import { type LogEvent, type LogSink, makeLogSink } from "../../src/rehearse/log-sink.ts";

const HOUR = 3_600_000;
const BYTES_MAX = 1_048_576;
let sink: LogSink;

function call(action: string, input: object = {}): Promise<AwsAnswer | undefined> {
  const whole = { action, service: "logs", input: { logGroupName: "g", logStreamName: "s", ...input } } as unknown as AwsCall;
  return Promise.resolve().then(() => sink.answer(whole));
}
const put = (logEvents: LogEvent[], logStreamName = "s") => call("PutLogEvents", { logEvents, logStreamName });
const event = (message: string, timestamp = Date.now()): LogEvent => ({ timestamp, message });
const bodyOf = (answer: AwsAnswer | undefined) => JSON.parse(String(answer?.body)) as Record<string, unknown>;

beforeEach(async () => {
  sink = makeLogSink();
  await call("CreateLogStream");
});

describe("PutLogEvents", () => {
  it.each<[string, LogEvent[], LogEvent[], RegExp]>([
    ["no event", [event("x")], [], /greater than or equal to 1/],
    ["10,001 events", Array(10_000).fill(event("x")), Array(10_001).fill(event("x")), /less than or equal to 10000/],
    ["an empty message", [event("x")], [event("x"), event("")], /logEvents\.2\.member\.message/],
    ["an event's size", [event("x".repeat(BYTES_MAX - 26))], [event("x".repeat(BYTES_MAX - 25))], /^Log event too large: 1048577 bytes/],
    [
      "a batch's size, in bytes",
      [event("ü".repeat(BYTES_MAX / 4 - 13)), event("ü".repeat(BYTES_MAX / 4 - 13))],
      [event("ü".repeat(BYTES_MAX / 4 - 13)), event("ü".repeat(BYTES_MAX / 4 - 12))],
      /^Upload too large: 1048578 bytes/,
    ],
    [
      "the order of time",
      [event("a", Date.now()), event("b", Date.now() + 1)],
      [event("b", Date.now() + 1), event("a", Date.now())],
      /chronological/,
    ],
    ["the span", [event("a", Date.now() - 23 * HOUR), event("b")], [event("a", Date.now() - 25 * HOUR), event("b")], /span more than 24 hours/],
  ])("has a limit for %s", async (_, within, beyond, words) => {
    expect(await put(within)).toMatchObject({ status: 200 });
    const taken = sink.streams.get("g s")?.length;
    const answer = await put(beyond);
    expect({ status: answer?.status, type: bodyOf(answer).__type }).toEqual({ status: 400, type: "InvalidParameterException" });
    expect(bodyOf(answer).message).toMatch(words);
    expect(sink.streams.get("g s")).toHaveLength(taken as number);
  });

  it("leaves out what is too old or too new, says which, and takes the others", async () => {
    const now = Date.now();
    const events = [event("old", now - 15 * 24 * HOUR), event("a", now), event("b", now), event("new", now + 3 * HOUR)];
    expect(bodyOf(await put(events)).rejectedLogEventsInfo).toEqual({ tooOldLogEventEndIndex: 1, tooNewLogEventStartIndex: 3 });
    expect(sink.streams.get("g s")).toEqual(events.slice(1, 3));
    expect(bodyOf(await put([event("c")])).rejectedLogEventsInfo).toBeUndefined();
  });

  it("knows only streams that were made, and makes each once", async () => {
    expect(bodyOf(await put([event("x")], "other")).__type).toBe("ResourceNotFoundException");
    expect(bodyOf(await call("CreateLogStream")).__type).toBe("ResourceAlreadyExistsException");
  });

  it("fails as it is told to", async () => {
    sink.fault = () => "throttled";
    expect(bodyOf(await put([event("x")])).__type).toBe("ThrottlingException");
    sink.fault = () => "unavailable";
    expect(await put([event("x")])).toMatchObject({ status: 500 });
    sink.fault = (events) => (events.some(({ message }) => message === "bad") ? { refused: "no" } : undefined);
    expect(bodyOf(await put([event("x"), event("bad")])).message).toBe("no");
    expect(sink.streams.get("g s")).toEqual([]);
    sink.fault = () => "lost";
    await expect(put([event("x")])).rejects.toThrow("lost");
    expect(sink.streams.get("g s")).toHaveLength(1);
  });
});
