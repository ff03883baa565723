// What stands, as a person reads it: the address, the release, then one line per instance.
import type { InstanceReport, Status } from "../../index.ts";
import { describeDrift } from "./drift.ts";
import { alignRows, describeDate, describeDuration } from "./format.ts";
import type { Paint } from "./terminal.ts";

export function describeStatus(status: Status, { paint, now }: { paint: Paint; now: number }): string {
  if (!status.commissioned) {
    const next = describeUnfinished(status, now) || `  Next: landfall commission ${status.environment}`;
    return `${title(status, paint)}  not commissioned\n\n${next}`;
  }
  const parts = [
    head(status, { paint, now }),
    ...status.services.map((service) => describeService(service, paint, now)),
    describeResources(status, paint),
    describeDrift(status.drift ?? [], paint),
    describeFailed(status),
    describeUnfinished(status, now),
  ];
  return parts.filter(Boolean).join("\n\n");
}

const title = (status: Status, paint: Paint) => paint("bold", `${status.app} ${status.environment}`);

function head(status: Status, { paint, now }: { paint: Paint; now: number }): string {
  const release = status.release
    ? `${status.release}${status.description ? `  ${status.description}` : ""}`
    : `none yet: landfall deploy ${status.environment}`;
  const rows = [["release", release]];
  if (status.account) rows.push(["account", `${status.account}, region ${status.region}`]);
  if (status.previous) rows.push(["before", status.previous]);
  if (status.metrics) rows.push(["metrics", status.metrics]);
  if (status.supervisor === "stopped") rows.push(["supervisor", `stopped: landfall commission ${status.environment} starts it again`]);
  if (status.target === "aws") rows.push(["by hand", describeLook(status, now)]);
  return [`${title(status, paint)}  ${paint("cyan", status.address ?? "no address")}`, ...indent(alignRows(rows))].join("\n");
}

/** Changes that nobody looked for are no news, and neither is that there are none. */
function describeLook({ environment, drift = [], driftLookedAt }: Status, now: number): string {
  const look = `landfall plan ${environment} --drift`;
  if (driftLookedAt === undefined && drift.length === 0) return `AWS has not looked for changes yet: ${look}`;
  const when = driftLookedAt === undefined ? "" : `, ${describeDuration(Math.max(0, now - driftLookedAt))} ago`;
  return `${drift.length === 0 ? "nothing" : drift.length} changed when AWS last looked${when}; to look again: ${look}`;
}

function describeService(service: Status["services"][number], paint: Paint, now: number): string {
  const count = service.kind === "job" ? `at ${service.schedule ?? "its times"} (UTC)` : countOf(service);
  const settled = service.kind === "job" || service.healthy >= service.wanted;
  const rows = service.instances.map((instance) => instanceCells(instance, now));
  const lines = alignRows(rows).flatMap((line, index) => {
    const instance = service.instances[index] as InstanceReport;
    const colored = instance.state === "healthy" ? line : paint(["unhealthy", "restarting", "failed"].includes(instance.state) ? "red" : "dim", line);
    return [colored, ...describeLastExit(instance, now)];
  });
  const scaling = service.scaling && `scaling: ${service.scaling.map(({ text }) => text).join("; ") || "not measured yet"}`;
  const head = `${paint("bold", service.name)} (${service.kind})  ${settled ? count : paint("red", count)}`;
  return [head, ...indent([...(scaling ? [scaling] : []), ...lines])].join("\n");
}

const countOf = ({ wanted, healthy, instances }: Status["services"][number]): string =>
  wanted === 0 && instances.length === 0 ? "no instances" : `${healthy} of ${wanted} healthy`;

function instanceCells(instance: InstanceReport, now: number): string[] {
  return [
    instance.id,
    instance.state,
    `for ${describeDuration(Math.max(0, now - instance.since))}`,
    instance.pid === undefined ? "" : `pid ${instance.pid}`,
    instance.port === undefined ? (instance.address ?? "") : `port ${instance.port}`,
    instance.inHand ? `${instance.inHand} in hand` : "",
    instance.restarts ? `${instance.restarts} restart${instance.restarts === 1 ? "" : "s"}` : "",
  ];
}

/** Only for instances that do not run well: a healthy one's last exit is history, and `landfall events` has it. */
function describeLastExit({ lastExit, state }: InstanceReport, now: number): string[] {
  if (!lastExit || state === "healthy") return [];
  const reason = lastExit.signal ? `by ${lastExit.signal}` : `with status ${lastExit.code ?? "unknown"}`;
  return [`  ended ${reason} ${describeDuration(Math.max(0, now - lastExit.at))} ago`, ...lastExit.lastLines.slice(-3).map((line) => `  | ${line}`)];
}

function describeResources({ resources }: Status, paint: Paint): string {
  if (resources.length === 0) return "";
  const rows = alignRows(resources.map(({ name, type, state, address }) => [name, type, state, address]));
  return [paint("bold", "resources"), ...indent(rows)].join("\n");
}

function describeFailed({ services, environment }: Status): string {
  const failed = services.flatMap(({ instances }) => instances.filter(({ state }) => state === "failed").map(({ id }) => id));
  if (failed.length === 0) return "";
  const are = failed.length === 1 ? "is" : "are";
  return `${failed.join(", ")} crashed too often in a row and ${are} not started any more.\n  Next: landfall resume ${environment}`;
}

function describeUnfinished({ underWay, unfinished, environment }: Status, now: number): string {
  if (underWay) {
    const { operation, since, pid, user } = underWay;
    return `${operation} is under way for ${describeDuration(Math.max(0, now - since))} (process ${pid}, user ${user})`;
  }
  if (!unfinished) return "";
  const since = `${describeDate(unfinished.since)}, ${describeDuration(Math.max(0, now - unfinished.since))} ago`;
  const step = unfinished.step ? `, in the step: ${unfinished.step}` : "";
  return `${unfinished.operation} was interrupted (begun ${since})${step}.\n  Next: landfall resume ${environment}   or   landfall abort ${environment}`;
}

const indent = (lines: string[]) => lines.map((line) => `  ${line}`);
