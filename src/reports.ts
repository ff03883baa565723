// What the operations return: plain data, printed by the command line as text or as JSON.
import type { Drift } from "./plan/plan.ts";
import type { Reading } from "./scaling/sample.ts";
import type { Exit } from "./targets/local/supervisor/api.ts";

export interface ResourceReport {
  name: string;
  type: "postgres" | "mysql" | "queue" | "bucket" | "cache";
  /** Host and port, never a password. */
  address: string;
  state: "running" | "stopped" | "external";
}

export interface CommissionReport {
  app: string;
  environment: string;
  changed: boolean;
  /** Where the balancer listens: `http://127.0.0.1:20080`. */
  address: string;
  resources: ResourceReport[];
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
  /** Whether the contract phase ran; absent when it was not asked for. */
  contracted?: boolean;
}

/** What `resume` and `abort` did. */
export interface RecoveryReport {
  /** `nothing` when no operation was interrupted and all stood as recorded. */
  did: "finished" | "undone" | "brought back" | "nothing";
  /** The operation that was interrupted. */
  operation?: string;
  /** What stands now. */
  status: Status;
}

export interface InstanceReport {
  id: string;
  service: string;
  release: string;
  slot: number;
  /** `failed`: it crashed so often in a row that it is not started any more; `resume` starts it again. */
  state: "starting" | "healthy" | "unhealthy" | "warm" | "draining" | "restarting" | "failed" | "stopped";
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
  address?: string;
  metrics?: string;
  release?: string;
  previous?: string;
  description?: string;
  /** Locally: whether somebody watches the processes. */
  supervisor?: "running" | "stopped";
  services: {
    name: string;
    kind: "web" | "worker" | "scheduler" | "job";
    wanted: number;
    healthy: number;
    schedule?: string;
    /** For services with `scaling`: each measure as it was seen last; empty until the first look. */
    scaling?: Reading[];
    instances: InstanceReport[];
  }[];
  resources: ResourceReport[];
  /** The operation that somebody is running now. */
  underWay?: { operation: string; since: number; pid: number; user: string };
  /** Where it stands, on AWS. */
  account?: string;
  region?: string;
  /** What was changed by hand, when AWS looked for it last. */
  drift?: Drift[];
  /** When that was, in milliseconds since 1970: for the part that was looked at longest ago. Absent while some part never was, and locally. */
  driftLookedAt?: number;
  /** What was interrupted, if anything. */
  unfinished?: { operation: string; since: number; step?: string };
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
  /** `steady`, `rolling`, `rolling back`, `blueGreen`, `switching back`. */
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
