// Every report but the status, as text. Each ends with what the user looks for next: mostly the address.
import type {
  CheckReport,
  CleanReport,
  CommissionReport,
  DecommissionReport,
  DeployReport,
  DriftedResource,
  DriftReport,
  EnvironmentEntry,
  ExportReport,
  InitReport,
  LaunchReport,
  LogLine,
  RecordedEvent,
  RecoveryReport,
  RemovalReport,
  SecretsReport,
  StopReport,
} from "../../index.ts";
import { describeElapsed } from "../../text/units.ts";
import { alignRows, describeDate, describeTime } from "./format.ts";
import type { Paint } from "./terminal.ts";

export function describeCheck(report: CheckReport): string {
  const list = (names: string[]) => names.join(", ") || "none";
  const rows = [
    ["app", report.app],
    ["services", list(report.services)],
    ["resources", list(report.resources)],
    ["environments", list(report.environments)],
  ];
  return [`${report.file}: nothing wrong found`, ...alignRows(rows).map((row) => `  ${row}`), ...report.notes.map((note) => `  note: ${note}`)].join(
    "\n",
  );
}

export const describeInit = ({ file, kind }: InitReport): string => `${file} is written, for the ${kind} app found here\n  Next: landfall check`;

/** The address of the balancer comes last: it is where a person goes next. */
export function describeLaunch({ app, release, address, servers }: LaunchReport): string {
  const rows = alignRows(servers.map(({ id, state, port }) => [id, state, port === undefined ? "" : `http://127.0.0.1:${port}`]));
  return [
    `${app}: ${servers.length} server${servers.length === 1 ? "" : "s"} ready with release ${release}`,
    ...rows.map((row) => `  ${row}`),
    address,
  ].join("\n");
}

export function describeCommission(report: CommissionReport): string {
  const verb = report.changed ? "is commissioned" : "stands already, nothing to change";
  const rows = alignRows(report.resources.map(({ name, type, address }) => [name, type, address]));
  const trust =
    report.authority && `  trust  ${report.authority}, which has signed its certificate:  curl --cacert ${report.authority} ${report.address}`;
  return [
    `${report.app} ${report.environment} ${verb}`,
    ...rows.map((row) => `  ${row}`),
    trust,
    ...(report.drift ? describeReverted(report.drift) : []),
    report.address,
  ]
    .filter(Boolean)
    .join("\n");
}

/** What could not be looked at comes last, by its kind: it is mostly much. */
function describeReverted({ reverted, left, unchecked }: DriftReport): string[] {
  const nameOf = ({ of, kind, name }: DriftedResource) => `${of}: ${kind} ${name}`;
  const kinds = [...new Set(unchecked.map(({ kind }) => kind))];
  const namesOf = (kind: string) => unchecked.filter((one) => one.kind === kind).map(({ name }) => name);
  return [
    ...(reverted.length + left.length === 0 ? ["  nothing was changed by hand, where AWS can look"] : []),
    ...reverted.map((drift) => `  put back  ${nameOf(drift)}`),
    ...left.map((drift) => `  still changed by hand  ${nameOf(drift)}`),
    ...kinds.map((kind) => `  not looked at, since AWS cannot  ${kind}: ${namesOf(kind).join(", ")}`),
  ];
}

export function describeDeploy(report: DeployReport): string {
  const what = `${report.app} ${report.environment}: release ${report.release}`;
  if (!report.changed && !report.contracted) return `${what} ${describeServing(report)}\n${report.address}`;
  const before = report.previous ? `, before it ${report.previous}` : "";
  return [
    `${what} is serving (${describeElapsed(report.durationMs)}${before})`,
    ...(report.description ? [`  ${report.description}`] : []),
    ...describeContract(report),
    ...(report.secretsBack ? [`  secrets with their values of then: ${report.secretsBack.join(", ")}`] : []),
    report.address,
  ].join("\n");
}

function describeServing({ unwell = [], environment }: DeployReport): string {
  if (unwell.length === 0) return "is serving already, nothing to do";
  return `is what serves already, but ${unwell.join(", ")} ${unwell.length === 1 ? "is" : "are"} not healthy\n  Next: landfall status ${environment}   and, to have what does not answer replaced:  landfall resume ${environment}`;
}

const describeContract = ({ contracted }: DeployReport): string[] =>
  contracted === undefined ? [] : [contracted ? "  its contract phase has run" : "  it has no contract phase to run"];

/** What `resume` or `abort` did, in one line; what stands then is printed after it. */
export function describeRecovery({ did, operation, status }: RecoveryReport): string {
  const texts = {
    finished: `The interrupted ${operation} is finished.`,
    undone: `The interrupted ${operation} is undone.`,
    "brought back": "What stood before stands again.",
    nothing: `Nothing was interrupted in ${status.environment}`,
  };
  const isWell = isAllWell(status);
  if (did === "nothing") return `${texts.nothing}, ${isWell ? "and all stands as it should" : "but not all is well"}.`;
  return isWell ? texts[did] : `${texts[did]} Not all is well.`;
}

export function describeList(entries: EnvironmentEntry[]): string {
  if (entries.length === 0) return "No environment stands on this machine.";
  return alignRows(
    entries.map(({ app, environment, address, release, state, folder }) => [app, environment, address, release ?? "no release", state, folder]),
  ).join("\n");
}
const isAllWell = ({ services, resources, supervisor = "running", balancer, missing = [] }: RecoveryReport["status"]): boolean =>
  services.every(({ healthy, wanted }) => healthy >= wanted) &&
  resources.every(({ state }) => state === "running" || state === "external") &&
  supervisor === "running" &&
  balancer === undefined &&
  missing.length === 0;

export const describeStopped = ({ app, environment, stopped }: StopReport): string =>
  stopped.length === 0
    ? `${app} ${environment} does not run: nothing to stop`
    : `${app} ${environment} is stopped (${stopped.length} processes), with all that it has\n  Next: landfall resume ${environment}`;

/** The proof comes last: what was looked for again, and that nothing is left but what is named above. */
export function describeDecommission({ app, environment, removed, kept, checked }: DecommissionReport): string {
  const name = `${app} ${environment}`;
  const stays = kept.map(({ what, why }) => `  kept     ${what}: ${why}`);
  if (removed.length === 0) return [`${name} does not stand: nothing to remove`, ...stays].join("\n");
  const looked = Object.entries(checked).map(([kind, count]) => `${count} ${kind}`);
  const besides = kept.length > 0 ? "nothing else is left" : "nothing is left";
  return [
    `${name} is gone`,
    ...removed.map((thing) => `  removed  ${thing}`),
    ...stays,
    `  looked again for ${[looked.slice(0, -1).join(", "), looked.at(-1)].filter(Boolean).join(" and ")}: ${besides}`,
  ].join("\n");
}

/** What a decommission would do, for who is asked whether it should. */
export const describeRemoval = ({ removed, kept }: RemovalReport): string =>
  [...removed.map((thing) => `  goes   ${thing}`), ...kept.map(({ what, why }) => `  stays  ${what}: ${why}`)].join("\n");

export const describeClean = ({ removed }: CleanReport): string =>
  removed.length === 0 ? "Nothing to clean." : removed.map((thing) => `removed ${thing}`).join("\n");

export function describeEvents(events: RecordedEvent[]): string {
  if (events.length === 0) return "No events.";
  return alignRows(events.map(({ at, type, id, text }) => [describeDate(at), type, id ?? "", text])).join("\n");
}

export function describeLogLine({ at, id, stream, line, part }: LogLine, paint: Paint): string {
  const end = part ? paint("dim", " (the line goes on)") : "";
  return `${paint("dim", describeTime(at))} ${paint(stream === "stderr" ? "yellow" : "cyan", id)}  ${line}${end}`;
}

export function describeSecrets(secrets: { name: string; setAt: number }[], environment: string): string {
  if (secrets.length === 0) return `No secrets are set in ${environment}.`;
  return alignRows(secrets.map(({ name, setAt }) => [name, `set ${describeDate(setAt)}`])).join("\n");
}

export const describeSecretsSet = ({ environment, names, reaches, revokedIn }: SecretsReport): string =>
  [
    `${names.join(", ")} ${names.length === 1 ? "is" : "are"} set in ${environment}. A changed value reaches the app ${reaches}.`,
    ...(revokedIn.length > 0 ? [`Replaced too in what these releases were given: ${revokedIn.join(", ")}.`] : []),
  ].join("\n");

export const describeExport = ({ app, environment, folder, files }: ExportReport): string =>
  [`${app} ${environment} is exported`, ...files.map((file) => `  ${file}`), `Read first: ${folder}/README.md`].join("\n");
