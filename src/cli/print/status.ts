// The status as a person reads it: the address, the release, then one line per instance.
import { present } from "../../error.ts";
import type { InstanceReport, Status } from "../../index.ts";
import { excerptOf } from "../../text/excerpt.ts";
import { describeElapsed } from "../../text/units.ts";
import { describeDrift } from "./drift.ts";
import { alignRows, describeDate } from "./format.ts";
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
    describeMissing(status, paint),
    describeStrays(status, paint),
    describeDrift(status.drift ?? [], paint),
    describeFailed(status),
    describeUnscheduled(status),
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
  if (status.network) rows.push(["network", `${status.network}, which was there before`]);
  if (status.previous) rows.push(["before", status.previous]);
  for (const { property, after } of status.differs ?? [])
    rows.push(["configured", `another ${property}, ${after}: landfall commission ${status.environment} applies it`]);
  if (status.authority) rows.push(["trust", `${status.authority}, which has signed its certificate`]);
  if (status.metrics) rows.push(["metrics", status.metrics]);
  if (status.balancer) rows.push(["balancer", status.balancer]);
  if (status.supervisor === "stopped") rows.push(["supervisor", `stopped: landfall resume ${status.environment} starts it again`]);
  if (status.supervisor === "silent") rows.push(["supervisor", `does not answer: landfall resume ${status.environment} puts another in its place`]);
  if (status.target === "aws") rows.push(["by hand", describeLook(status, now)]);
  return [`${title(status, paint)}  ${paint("cyan", status.address ?? "no address")}`, ...indent(alignRows(rows))].join("\n");
}

/** Changes that nobody looked for are no news, and neither is that there are none. */
function describeLook({ environment, drift = [], driftLookedAt }: Status, now: number): string {
  const look = `landfall plan ${environment} --drift`;
  if (driftLookedAt === undefined && drift.length === 0) return `AWS has not looked for changes yet: ${look}`;
  const when = driftLookedAt === undefined ? "" : `, ${describeElapsed(Math.max(0, now - driftLookedAt))} ago`;
  return `${drift.length === 0 ? "nothing" : drift.length} changed when AWS last looked${when}; to look again: ${look}`;
}

function describeService(service: Status["services"][number], paint: Paint, now: number): string {
  const count = service.kind === "job" ? (service.schedule ? `at ${service.schedule} (UTC)` : "not scheduled") : countOf(service);
  const settled = service.kind === "job" ? service.schedule !== undefined : service.healthy >= service.wanted;
  const rows = service.instances.map((instance) => instanceCells(instance, now));
  const lines = alignRows(rows).flatMap((line, index) => {
    const instance = present(service.instances[index], "instance");
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
    `for ${describeElapsed(Math.max(0, now - instance.since))}`,
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
  return [
    `  ended ${reason} ${describeElapsed(Math.max(0, now - lastExit.at))} ago`,
    ...excerptOf(lastExit.lastLines, 3).map((line) => `  | ${line}`),
  ];
}

function describeResources({ resources }: Status, paint: Paint): string {
  if (resources.length === 0) return "";
  const rows = alignRows(resources.map(({ name, type, state, address }) => [name, type, state, address]));
  return [paint("bold", "resources"), ...indent(rows)].join("\n");
}

/** First what is gone and what is in its place, then the two ways on. */
function describeMissing({ missing = [], environment }: Status, paint: Paint): string {
  if (missing.length === 0) return "";
  const rows = alignRows(missing.map(({ what, path, since, found }) => [what, `there since ${describeDate(since)}`, path, `now: ${found}`]));
  const names = missing.map(({ name }) => name).join(" ");
  return [
    paint("red", "data is missing"),
    ...indent(rows),
    `  Next: mount its disk or put it back, then  landfall resume ${environment}   or, to begin with empty data:  landfall commission ${environment} --empty ${names}`,
  ].join("\n");
}

function describeStrays({ strays = [] }: Status, paint: Paint): string {
  if (strays.length === 0) return "";
  const rows = alignRows(strays.map(({ pid, command, id }) => [`pid ${pid}`, command, `started for ${id}`]));
  return [paint("bold", "left their process group: nobody watches them, and they are ended with what they were started for"), ...indent(rows)].join(
    "\n",
  );
}

function describeFailed({ services, environment }: Status): string {
  const failed = services.flatMap(({ instances }) => instances.filter(({ state }) => state === "failed").map(({ id }) => id));
  if (failed.length === 0) return "";
  const are = failed.length === 1 ? "is" : "are";
  return `${failed.join(", ")} crashed too often in a row and ${are} not started any more.\n  Next: landfall resume ${environment}`;
}

function describeUnscheduled({ services, environment, underWay, unfinished }: Status): string {
  const missing = services.filter(({ kind, schedule }) => kind === "job" && schedule === undefined).map(({ name }) => name);
  if (missing.length === 0 || underWay || unfinished) return "";
  return `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not run at the times of the release that serves.\n  Next: landfall resume ${environment}`;
}

function describeUnfinished({ underWay, unfinished, environment }: Status, now: number): string {
  if (underWay) {
    const { operation, since, pid, user } = underWay;
    return `${operation} is under way for ${describeElapsed(Math.max(0, now - since))} (process ${pid}, user ${user})`;
  }
  if (!unfinished) return "";
  const since = `${describeDate(unfinished.since)}, ${describeElapsed(Math.max(0, now - unfinished.since))} ago`;
  const step = unfinished.step ? `, in the step: ${unfinished.step}` : "";
  const { byItself } = unfinished;
  const otherwise = byItself ? ` Otherwise it is ${byItself.does === "undo" ? "undone" : "finished"} by itself at ${describeDate(byItself.at)}.` : "";
  return `${unfinished.operation} was interrupted (begun ${since})${step}.${otherwise}\n  Next: landfall resume ${environment}   or   landfall abort ${environment}`;
}

const indent = (lines: string[]) => lines.map((line) => `  ${line}`);
