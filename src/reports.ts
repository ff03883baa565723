// Reports of the operations: plain data, printed by the command line as text or as JSON.
import type { Difference } from "./plan/differences.ts";
import type { Drift, DriftedResource } from "./plan/plan.ts";
import type { Resource } from "./resources/index.ts";
import type { Reading } from "./scaling/sample.ts";

export interface ResourceReport {
  name: string;
  type: Resource["type"];
  /** Host and port, never a password. */
  address: string;
  /** `missing`: its process may run, but its data is not where it was. `silent`: it runs, and does not answer. */
  state: "running" | "stopped" | "external" | "missing" | "silent";
}

export interface CommissionReport {
  app: string;
  environment: string;
  changed: boolean;
  /** Where the balancer listens: `http://127.0.0.1:20080`. */
  address: string;
  /** Of `tls: "local"`: the certificate that browsers and clients have to trust. */
  authority?: string;
  resources: ResourceReport[];
  /** On AWS, where drift was to be put back. */
  drift?: DriftReport;
}

/** What became of what was changed by hand. */
export interface DriftReport {
  /** Put back. */
  reverted: Drift[];
  /** Still different, by a second look. */
  left: Drift[];
  /** What the account cannot look at. */
  unchecked: DriftedResource[];
}

export interface DeployReport {
  app: string;
  environment: string;
  changed: boolean;
  release: string;
  /** The release before; absent for the first one. */
  previous?: string;
  description: string;
  imageMade: boolean;
  address: string;
  durationMs: number;
  /** Locally, where nothing was to be done: the instances that should serve and are not healthy now. */
  unwell?: string[];
  /** Whether the contract phase ran; absent when it was not asked for. */
  contracted?: boolean;
  /** Going back: the secrets that have another value again than before. Absent when there is none. */
  secretsBack?: string[];
}

export interface SecretsReport {
  environment: string;
  names: string[];
  /** When a changed value reaches the app: with a release that is deployed, or with every instance that starts. */
  reaches: "with the next deploy" | "when instances start next";
  /** The releases that keep values of their own in which it was replaced. */
  revokedIn: string[];
}

/** What `resume` and `abort` did. */
export interface RecoveryReport {
  /** `nothing` when no operation was interrupted and all stood as recorded. Whether it is well is in `status`. */
  did: "finished" | "undone" | "brought back" | "nothing";
  /** The operation that was interrupted. */
  operation?: string;
  /** What stands now. */
  status: Status;
}

/** A unit of systemd, not yet written anywhere. */
export interface BootReport {
  app: string;
  environment: string;
  /** What its file is to be called. */
  unit: string;
  text: string;
}

/** What a local environment was stopped of, to be started again. */
export interface StopReport {
  app: string;
  environment: string;
  /** The ids of its processes. */
  stopped: string[];
}

export interface InstanceReport {
  id: string;
  service: string;
  release: string;
  slot: number;
  /**
   * `stopping`: it was asked to end, or was kept warm for long enough, and has not ended yet. `failed`: it crashed so often in a row that it is
   * not started any more; `resume` starts it again. `unknown`: it runs, but the balancer, which asks it, does not.
   */
  state: "unknown" | "starting" | "healthy" | "unhealthy" | "warm" | "draining" | "restarting" | "stopping" | "failed" | "stopped";
  pid?: number;
  port?: number;
  /** On AWS: its address in the environment's network. */
  address?: string;
  /** Milliseconds since 1970. */
  since: number;
  restarts: number;
  inHand?: number;
  lastExit?: Exit;
}

export interface Status {
  app: string;
  environment: string;
  target: "local" | "aws";
  commissioned: boolean;
  /** What is spoken, and where. */
  address?: string;
  /** Locally: what of that the configuration has otherwise, until the next commission. */
  differs?: Difference[];
  metrics?: string;
  /** Of `tls: "local"`: the certificate that browsers and clients have to trust. */
  authority?: string;
  release?: string;
  previous?: string;
  description?: string;
  /** Locally: whether somebody watches the processes. `silent`: it is there, and does not answer. */
  supervisor?: "running" | "stopped" | "silent";
  /** Locally: why the balancer does not serve, as a predicate: `does not run: …`. Absent while it does. */
  balancer?: string;
  services: {
    name: string;
    kind: "web" | "worker" | "scheduler" | "job";
    wanted: number;
    healthy: number;
    /** Of a job: when it is run. Absent when it is not run at all, which is to be mended. */
    schedule?: string;
    /** For services with `scaling`: each measure as it was seen last; empty until the first look. */
    scaling?: Reading[];
    instances: InstanceReport[];
  }[];
  resources: ResourceReport[];
  /** Locally: data that is not where it was; absent when all is there. */
  missing?: MissingData[];
  /** Locally: what left its process group and its parent, so that nobody watches it. It is ended with its instance. Absent when there is none. */
  strays?: StrayReport[];
  /** The operation that somebody is running now. */
  underWay?: { operation: string; since: number; pid: number; user: string };
  /** Where it stands, on AWS. */
  account?: string;
  region?: string;
  /** The id of the network that it was put into; absent where it has one of its own. */
  network?: string;
  /** What was changed by hand, when AWS looked for it last. */
  drift?: Drift[];
  /** When that was, in milliseconds since 1970: for the part that was looked at longest ago. Absent while some part never was, and locally. */
  driftLookedAt?: number;
  /** What was interrupted, if anything. */
  unfinished?: {
    operation: string;
    since: number;
    step?: string;
    /** Locally, when its command was killed: what happens to it without being asked, and when (milliseconds since 1970). */
    byItself?: { at: number; does: "finish" | "undo" };
  };
}

/** Data that an environment had, and that is not there. */
export interface MissingData {
  /** As `commission --empty` takes it. */
  name: string;
  /** `the data of postgres "database"`. */
  what: string;
  path: string;
  /** When the environment first had it, in milliseconds since 1970. */
  since: number;
  /** What is in its place. */
  found: string;
  /** Whether that is nothing, or an empty folder. */
  isFree: boolean;
}

/** Ansible's dynamic inventory: `--list`. */
export interface Inventory {
  _meta: { hostvars: Record<string, Record<string, string | number>> };
  all: { children: string[] };
  [group: string]: unknown;
}

export interface DecommissionReport {
  app: string;
  environment: string;
  /** Each thing that was there and is gone: `process web.1 (pid 4711)`, `port 20080`, `file …`. */
  removed: string[];
  /** What is still there, on purpose. */
  kept: Kept[];
  /** What was looked for again at the end, and how many of each: `{ processes: 4, ports: 2 }`. None was found but what is kept. */
  checked: Record<string, number>;
}

export interface Kept {
  /** With its place: a folder, or what AWS calls it. */
  what: string;
  /** Why it is still there, what it costs, and how it goes. */
  why: string;
}

/** What a decommission would remove, and what it would keep. */
export type RemovalReport = Omit<DecommissionReport, "checked">;

export interface RecordedEvent {
  at: number;
  type: string;
  text: string;
  id?: string;
  service?: string;
  release?: string;
}

export interface LogFilter {
  service?: string;
  release?: string;
  /** A process's id, or the beginning of one up to a dot: `web.2`. */
  instance?: string;
  since?: Date;
  grep?: RegExp;
  /** Only the last so many of what was written before the call. */
  tail?: number;
  /** Goes on with what is written from now on, until `signal` aborts. */
  follow?: boolean;
  signal?: AbortSignal;
}

export interface LogLine {
  at: number;
  /** The process that wrote it: `web.1.7f3c2a1b`. */
  id: string;
  stream: "stdout" | "stderr";
  line: string;
  /** When its rest follows, or was never written. */
  part?: true;
}

export interface CheckReport {
  file: string;
  app: string;
  services: string[];
  resources: string[];
  environments: string[];
  /** What is not wrong, but worth knowing. */
  notes: string[];
}

/** An environment of this machine. */
export interface EnvironmentEntry {
  app: string;
  environment: string;
  address: string;
  release?: string;
  /** Whether somebody looks after its processes: not before the first command after a restart of the machine. */
  state: "running" | "stopped";
  /** The app's. */
  folder: string;
}

/** How a command ended that was run by hand. */
export interface ExecReport {
  /** Where it ran; absent when no instance of the service ran. */
  instance?: string;
  release: string;
  /** Absent when a signal ended it. 127: there is no such program; 126: it cannot be executed. */
  code?: number;
  signal?: string;
  /** Why it was never started. */
  failure?: string;
}

export interface CleanReport {
  /** What was removed, each in a line. */
  removed: string[];
}

/** As IAM takes it. */
export interface PolicyStatement {
  Sid: string;
  Effect: "Allow";
  Action: string[];
  Resource: string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

export interface PolicyDocument {
  Version: "2012-10-17";
  Statement: PolicyStatement[];
}

export interface CommandPermissions {
  /** The commands that need them: `commission`, `resume`, `abort`. */
  commands: string[];
  /** More than one when IAM would not take all in a single policy. */
  policies: PolicyDocument[];
  /** Why calls are not limited to this environment's own resources. */
  reasons: { reason: string; actions: string[] }[];
}

export interface PermissionsReport {
  app: string;
  environment: string;
  /** The `account` key; `*` without one. */
  account: string;
  region: string;
  permissions: CommandPermissions[];
}

export interface ExportReport {
  app: string;
  environment: string;
  folder: string;
  /** Relative to the folder. */
  files: string[];
}

export interface RehearsedPhase {
  /** `steady`, then of each strategy its name and `rolling back` or `switching back`. */
  name: string;
  requests: number;
  lost: number;
  /** Milliseconds that half of the requests, 99 of 100 and the slowest took. */
  medianMs: number;
  p99Ms: number;
  slowestMs: number;
  /** What was lost, in words, with its count. */
  losses: Record<string, number>;
  durationMs: number;
}

export interface RehearsalReport {
  app: string;
  environment: string;
  image: { hash: string; made: boolean };
  /** Their ids; the second was rolled out over the first. */
  releases: { before: string; after: string };
  /** How many were booted in all. */
  machines: number;
  /** From the power-on of each to its signal that it works. */
  signals: { service: string; release: string; signalMs: number }[];
  phases: RehearsedPhase[];
  requests: number;
  lost: number;
  durationMs: number;
}

/** What an account would refuse, and what was asked of it to know that. */
export interface PreflightReport {
  app: string;
  environment: string;
  account: string;
  region: string;
  answers: PreflightAnswer[];
}

export interface PreflightAnswer {
  /** `permissions`, `stacks`, `machines`. */
  about: string;
  /** What was asked: `412 calls of 9 commands, as arn:aws:iam::…`. */
  asked: string;
  /** What would fail; none when all would be taken. */
  findings: PreflightFinding[];
  /** What could not be asked yet, and why. */
  unasked: string[];
}

export interface PreflightFinding {
  what: string;
  /** The account's own words. */
  why?: string;
  next?: string;
}

/** How a run of a process ended. */
/** A process that was started for an instance and left its process group. */
export interface Stray {
  pid: number;
  /** The name of its program. */
  command: string;
}

export interface StrayReport extends Stray {
  /** The process that it was started for: an instance's id. */
  id: string;
}

export interface Exit {
  at: number;
  code?: number;
  signal?: string;
  /** The kernel killed it for lack of memory, as far as the kernel's counter tells. */
  outOfMemory?: boolean;
  /** Nobody saw how it ended: the machine was started again while it ran. */
  lost?: boolean;
  /** What it had left running outside of its process group, and was ended after it. */
  left?: Stray[];
  /** The last lines of its output, oldest first, at most 40. */
  lastLines: string[];
}
