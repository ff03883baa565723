// The contract of a target: what an environment can do, wherever it lives. The core knows targets only through this.
import type { EnvironmentApp } from "../config/app.ts";
import type { Plan } from "../plan/plan.ts";
import type { Emit } from "../progress.ts";
import type {
  CleanReport,
  CommissionReport,
  DecommissionReport,
  DeployReport,
  ExportReport,
  Inventory,
  LogFilter,
  LogLine,
  PermissionsReport,
  RecordedEvent,
  RecoveryReport,
  RemovalReport,
  Status,
} from "../reports.ts";

export interface DeployOptions {
  /** A git reference; the checked-out commit when absent. */
  ref?: string;
  /** Release the working tree as it is. */
  dirty?: boolean;
  /** Once the rollout is final, run the contract phase. Waits for the end of the old fleet's soak. */
  contract?: boolean;
  /** Stop instances that do not allow it. */
  force?: boolean;
}

export interface PlanOptions {
  /** As if nothing stood: looks at the configuration only, and asks no account. */
  fresh?: boolean;
  /** First have the account look for what was changed by hand; takes minutes. */
  drift?: boolean;
}

export interface ExportOptions {
  /** As they stand in the account, with the fleets that run; else as the configuration gives them, without asking an account. */
  standing?: boolean;
}

export interface SecretStore {
  set(name: string, value: string): Promise<void>;
  /** Does nothing when there is no such secret. */
  remove(name: string): Promise<void>;
  /** Never their values. `setAt` in milliseconds since 1970. */
  list(): Promise<{ name: string; setAt: number }[]>;
}

/** One environment. Every method may be called again after a crash in the middle of it; it then goes on from what stands. */
export interface EnvironmentTarget {
  /** What `commission` and `deploy` would change, and what it costs. Changes nothing. */
  plan(options?: PlanOptions): Promise<Plan>;
  /** Creates or updates it. `confirmReplace` names what holds data and may be lost, as the refusal names it; only on AWS is there any. */
  /** What whoever runs the commands must be allowed to call. Asks no account. Errors: ONLY_ON_AWS. */
  permissions(): Promise<PermissionsReport>;
  /** Writes the templates, a script of plain AWS commands and a runbook into a folder that is not there yet. Errors: ONLY_ON_AWS, EXPORT_EXISTS. */
  exportTo(folder: string, options?: ExportOptions): Promise<ExportReport>;
  commission(options?: { confirmReplace?: string[] }): Promise<CommissionReport>;
  deploy(options: DeployOptions): Promise<DeployReport>;
  rollback(options: { to?: string; force?: boolean }): Promise<DeployReport>;
  /** Finishes the interrupted operation; without one, brings back what stood, after a restart of the machine for example. */
  resume(): Promise<RecoveryReport>;
  /** Undoes the interrupted operation. */
  abort(): Promise<RecoveryReport>;
  scale(counts: Record<string, number>, options?: { force?: boolean }): Promise<Status>;
  /** Runs a command in the release's folder with a service's variables. Its output goes through `emit`. */
  exec(service: string, argv: string[]): Promise<{ code: number; signal?: string }>;
  status(): Promise<Status>;
  hosts(): Promise<Inventory>;
  logs(filter: LogFilter): AsyncGenerator<LogLine>;
  events(filter: { since?: Date; tail?: number }): Promise<RecordedEvent[]>;
  secrets(): SecretStore;
  /** What `decommission` would do. Changes nothing. */
  listRemoval(options: { keepData?: boolean; confirmRemove?: string[] }): Promise<RemovalReport>;
  /** `confirmRemove` names protected databases, and snapshots that were kept, which may go too; only on AWS are there any. */
  decommission(options: { keepData?: boolean; confirmRemove?: string[] }): Promise<DecommissionReport>;
  clean(): Promise<CleanReport>;
}

export interface TargetInput {
  app: EnvironmentApp;
  /** The app's folder: where landfall.config.ts stands. */
  folder: string;
  emit: Emit;
  signal?: AbortSignal;
  /** Wait for an operation that is under way, instead of rejecting with LEASE_HELD. */
  wait?: boolean;
}

export type OpenTarget = (input: TargetInput) => EnvironmentTarget;
