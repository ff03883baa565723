// CloudWatch Logs as far as machines write to it, as strict as AWS's written limits, so that what AWS would refuse is refused here. Groups
// are their stacks' and take any name; streams are their writers', and do not exist before they are made.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
import type { Answerer, AwsAnswer, AwsCall } from "./endpoints.ts";
import { refuse } from "./endpoints.ts";

export interface LogEvent {
  /** Milliseconds since 1970. */
  timestamp: number;
  message: string;
}

/** What goes wrong with one call on PutLogEvents. With `lost` the events are taken, and the connection ends before the answer. */
export type LogFault = "lost" | "unavailable" | "throttled" | { refused: string };

export interface LogSink {
  answer: Answerer;
  /** By group and stream, in the order in which they were taken. */
  streams: Map<string, LogEvent[]>;
  /** For tests: asked before each PutLogEvents that keeps to the limits. */
  fault?: ((events: LogEvent[], stream: string) => LogFault | undefined) | undefined;
  /** What time it is to the sink. */
  clock(): number;
}

const EVENTS_MAX = 10_000;
const BYTES_MAX = 1_048_576;
/** Counted for each event besides its message, against the limit of the batch and, as AWS's own error says, of the event. */
const EVENT_OVERHEAD = 26;
const DAY_MS = 24 * 3_600_000;
const PAST_MS_MAX = 14 * DAY_MS;
const FUTURE_MS_MAX = 2 * 3_600_000;

export function makeLogSink(): LogSink {
  const sink: LogSink = { streams: new Map(), clock: Date.now, answer: (call) => actions[call.action]?.(call) };
  const actions: Record<string, (call: AwsCall) => AwsAnswer> = {
    CreateLogGroup: () => json({}),
    CreateLogStream: (call) => createLogStream(sink, call),
    PutLogEvents: (call) => putLogEvents(sink, call),
  };
  return sink;
}

const json = (value: unknown): AwsAnswer => ({ status: 200, headers: { "content-type": "application/x-amz-json-1.1" }, body: JSON.stringify(value) });

const keyOf = ({ input }: AwsCall) => `${input.logGroupName} ${input.logStreamName}`;

function createLogStream({ streams }: LogSink, call: AwsCall): AwsAnswer {
  const key = keyOf(call);
  if (streams.has(key)) return refuse(400, "ResourceAlreadyExistsException", "The specified log stream already exists", true);
  streams.set(key, []);
  return json({});
}

function putLogEvents(sink: LogSink, call: AwsCall): AwsAnswer {
  const [key, events] = [keyOf(call), (call.input.logEvents ?? []) as LogEvent[]];
  const taken = sink.streams.get(key);
  const wrong = whatIsWrong(events, sink.clock());
  if (wrong) return refuse(400, "InvalidParameterException", wrong, true);
  if (!taken) return refuse(400, "ResourceNotFoundException", "The specified log stream does not exist.", true);
  const fault = sink.fault?.(events, key);
  if (fault === "unavailable") return refuse(500, "ServiceUnavailableException", "The service cannot complete the request.", true);
  if (fault === "throttled") return refuse(400, "ThrottlingException", "Rate exceeded", true);
  if (typeof fault === "object") return refuse(400, "InvalidParameterException", fault.refused, true);
  const { first, end, info } = inTime(events, sink.clock());
  for (const event of events.slice(first, end)) taken.push(event);
  // Whoever serves the call destroys the connection then.
  if (fault === "lost") throw new Error("the answer is lost");
  return json({ nextSequenceToken: "1", ...(info ? { rejectedLogEventsInfo: info } : {}) });
}

/** Why the whole batch is refused, in AWS's words; undefined when it is not. */
function whatIsWrong(events: LogEvent[], now: number): string | undefined {
  if (events.length < 1) return violation("[]", "logEvents", "greater than or equal to 1");
  if (events.length > EVENTS_MAX) return violation("[…]", "logEvents", `less than or equal to ${EVENTS_MAX}`);
  const empty = events.findIndex(({ message }) => !message);
  if (empty >= 0) return violation("", `logEvents.${empty + 1}.member.message`, "greater than or equal to 1");
  const sizes = events.map(({ message }) => Buffer.byteLength(message) + EVENT_OVERHEAD);
  const largest = Math.max(...sizes);
  if (largest > BYTES_MAX) return `Log event too large: ${largest} bytes exceeds limit of ${BYTES_MAX}`;
  const sum = sizes.reduce((sum, size) => sum + size, 0);
  if (sum > BYTES_MAX) return `Upload too large: ${sum} bytes exceeds limit of ${BYTES_MAX}`;
  if (events.some(({ timestamp }, index) => timestamp < (events[index - 1]?.timestamp ?? 0)))
    return "Log events in a single PutLogEvents request must be in chronological order.";
  const { first, end } = inTime(events, now);
  if (end > first && (events[end - 1] as LogEvent).timestamp - (events[first] as LogEvent).timestamp > DAY_MS)
    return "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
  return undefined;
}

const violation = (value: string, place: string, limit: string): string =>
  `1 validation error detected: Value '${value}' at '${place}' failed to satisfy constraint: Member must have length ${limit}`;

/** Events that are too old or too new are left out, and told by their places; the others are taken. */
function inTime(events: LogEvent[], now: number): { first: number; end: number; info?: Record<string, number> } {
  const first = events.filter(({ timestamp }) => timestamp < now - PAST_MS_MAX).length;
  const end = events.length - events.filter(({ timestamp }) => timestamp > now + FUTURE_MS_MAX).length;
  const info = { ...(first > 0 ? { tooOldLogEventEndIndex: first } : {}), ...(end < events.length ? { tooNewLogEventStartIndex: end } : {}) };
  return { first, end, ...(Object.keys(info).length > 0 ? { info } : {}) };
}
