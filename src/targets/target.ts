// The contract of a target: what an environment can do, wherever it lives. The core knows targets only through this, and every target answers
// alike: test/targets/laws.ts holds them to it. Unless said otherwise, every method rejects with ENVIRONMENT_NOT_COMMISSIONED before anything else
// where the environment does not stand, and what changes it with LEASE_HELD while another operation does.
import type { Deployment } from "../config/deployment.ts";
import type { Plan } from "../plan/plan.ts";
import type { Emit } from "../progress.ts";
import type {
  CleanReport,
  CommissionReport,
  DecommissionReport,
  DeployReport,
  ExecReport,
  ExportReport,
  Inventory,
  LogFilter,
  LogLine,
  PermissionsReport,
  PreflightReport,
  RecordedEvent,
  RecoveryReport,
  RemovalReport,
  SecretsReport,
  Status,
} from "../reports.ts";
import type { CommandStreams } from "../system/command-streams.ts";

export interface DeployOptions {
  /** A git reference; the checked-out commit when absent. */
  ref?: string;
  /** Release the working tree as it is. */
  dirty?: boolean;
  /** Once the rollout is final, run the contract phase. Waits for the end of the old fleet's soak. */
  contract?: boolean;
  /** Stop instances that do not allow it. */
  force?: boolean;
  /** Numbers of instances from this deploy on, as `scale` would set them. */
  instances?: Record<string, number>;
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

export interface CommissionOptions {
  /** What holds data and may be lost, as the refusal names it; only on AWS is there any, and elsewhere it is refused with USAGE. */
  confirmReplace?: string[];
  /** Data that is gone and begins empty, as the refusal names it; only locally is there any, and elsewhere it is refused with USAGE. */
  empty?: string[];
  /** First looks for what was changed by hand, and puts it back; only on AWS. Takes minutes. */
  revertDrift?: boolean;
}

export interface ExecOptions extends CommandStreams {
  /** The instance, by its id or the beginning of one up to a dot. One that is healthy when left out. */
  instance?: string;
  /** The kind of the terminal that the command is seen on, as TERM has it; without one there is none. */
  terminal?: string;
}

/** May be used before the environment stands, which may need secrets to be commissioned. */
export interface SecretStore {
  /** Sets all of them, or none. With `revoke` also in the releases that keep a value of their own. Errors: SECRET_REFUSED, all at once. */
  set(values: Record<string, string>, options?: { revoke?: boolean }): Promise<SecretsReport>;
  /** Does nothing when there is no such secret. Errors: SECRET_IN_USE. */
  remove(name: string): Promise<void>;
  /** Never their values. `setAt` in milliseconds since 1970. */
  list(): Promise<{ name: string; setAt: number }[]>;
}

/** One environment. Every method may be called again after a crash in the middle of it; it then goes on from what stands. */
export interface EnvironmentTarget {
  /** What `commission` and `deploy` would change, and what it costs; all of it where nothing stands. Changes nothing. Errors: ONLY_ON_AWS for `drift`. */
  plan(options?: PlanOptions): Promise<Plan>;
  /**
   * Refuses what `commission` and then such a deploy would refuse, as far as it can be known before anything is changed; also where nothing
   * stands. Changes nothing. Errors: those of both.
   */
  check(options: DeployOptions): Promise<void>;
  /** What whoever runs the commands must be allowed to call. Asks no account. Errors: ONLY_ON_AWS. */
  permissions(): Promise<PermissionsReport>;
  /**
   * Asks an account what it would refuse of a commission and of what comes after it, before anything is made: nothing of it is billed, and nothing
   * of it stays. Errors: ONLY_ON_AWS, STACK_FOREIGN.
   */
  preflight(): Promise<PreflightReport>;
  /** Writes the templates, a script of plain AWS commands and a runbook into a folder that is not there yet. Errors: ONLY_ON_AWS, EXPORT_EXISTS. */
  exportTo(folder: string, options?: ExportOptions): Promise<ExportReport>;
  /** Creates or updates it. Errors: USAGE, ONLY_ON_AWS for `revertDrift`, DATA_MISSING, KEEP_REFUSED and STACK_REPLACEMENT_REFUSED, where data would be lost. */
  commission(options?: CommissionOptions): Promise<CommissionReport>;
  /**
   * Its duration is counted from its beginning, without what was waited for.
   * Errors: GIT_REF_UNKNOWN, SECRET_MISSING, SCALE_OUT_OF_RANGE, those of a rollout.
   */
  deploy(options: DeployOptions): Promise<DeployReport>;
  /** To the release before. Errors: NOTHING_TO_ROLL_BACK, RELEASE_UNKNOWN, RELEASE_BARRED. */
  rollback(options: { to?: string; force?: boolean }): Promise<DeployReport>;
  /** Finishes the interrupted operation; without one, brings back what stood, after a restart of the machine for example. */
  resume(): Promise<RecoveryReport>;
  /** Undoes the interrupted operation. */
  abort(): Promise<RecoveryReport>;
  /**
   * Sets numbers of instances. Later deploys keep them where the configuration has a range; where it has a number, they hold until the next
   * deploy. The first one begins with them in any case. Errors: SERVICE_UNKNOWN, SCALE_OUT_OF_RANGE.
   */
  scale(counts: Record<string, number>, options?: { force?: boolean }): Promise<Status>;
  /**
   * Runs a command as an instance of the service would, in its folder and with its variables. Its output goes to `options` alone: nothing of it is
   * kept. Errors: SERVICE_UNKNOWN, RELEASE_UNKNOWN, INSTANCE_UNREACHABLE.
   */
  exec(service: string, argv: string[], options: ExecOptions): Promise<ExecReport>;
  /** Also of what does not stand: then `commissioned` is false. */
  status(): Promise<Status>;
  /** None where nothing stands. */
  hosts(): Promise<Inventory>;
  /** Of an instance that never was there are none. Errors, with the first line: SERVICE_UNKNOWN, RELEASE_UNKNOWN. */
  logs(filter: LogFilter): AsyncGenerator<LogLine>;
  /** In the order of time. */
  events(filter: { since?: Date; tail?: number }): Promise<RecordedEvent[]>;
  secrets(): SecretStore;
  /** What `decommission` would do; nothing where nothing stands. Changes nothing. */
  listRemoval(options: { keepData?: boolean; confirmRemove?: string[] }): Promise<RemovalReport>;
  /** `confirmRemove` names protected databases, and snapshots that were kept, which may go too; only on AWS are there any, and elsewhere they are refused with USAGE. */
  decommission(options: { keepData?: boolean; confirmRemove?: string[] }): Promise<DecommissionReport>;
  /** Removes what an interrupted past has left, also where nothing stands. */
  clean(): Promise<CleanReport>;
}

export interface TargetInput {
  deployment: Deployment;
  /** The app's folder: where landfall.config.ts stands. */
  folder: string;
  emit: Emit;
  signal?: AbortSignal;
  /** Wait for an operation that is under way, instead of rejecting with LEASE_HELD. */
  wait?: boolean;
}

export type OpenTarget = (input: TargetInput) => EnvironmentTarget;
