// The one error class. A LandfallError is data; src/cli/print/ turns it into text.
import { type Hide, hideIn, hidePasswords } from "./text/mask.ts";

/** A place in a text file. Lines and columns count from 1. */
export interface SourcePlace {
  file: string;
  line: number;
  column: number;
  /** The text of that line, without its line break. */
  text?: string;
  /** How many characters to underline. */
  length?: number;
  /** Printed after the underline: `did you mean "healthCheck"?` */
  hint?: string;
}

export type ExitCode = 1 | 2 | 3 | 130;

export interface ErrorParts {
  /** One of the words in docs/errors.md. */
  code: ErrorCode;
  /** One line: names the object and its kind, quotes the value. */
  what: string;
  /** A place in a file, or a process, URL or resource. */
  where?: SourcePlace | string;
  /** Observed against required, in the other side's own words. May have several lines. */
  why?: string;
  /** What was changed and what is serving now. */
  standing: string;
  /** One thing to paste or edit. */
  next?: string;
  /** Evidence in rows: `["asked", "GET http://... every 1 s"]`. */
  evidence?: [label: string, text: string][];
  cause?: unknown;
}

/**
 * Every failure a user can meet, in five parts: what, where, why, standing, next.
 * No part holds the password of a URL, whose words it may pass on; `withoutSecrets` knows more. `more` lists further problems of the
 * same kind (configuration problems come all at once).
 */
export class LandfallError extends Error {
  override readonly name = "LandfallError";
  readonly code: ErrorCode;
  readonly parts: ErrorParts;
  readonly more: LandfallError[];

  constructor(parts: ErrorParts, more: LandfallError[] = []) {
    const { code, cause, where, ...texts } = parts;
    const masked = hideIn(texts, hidePasswords);
    super(masked.what, { cause });
    this.code = code;
    this.parts = { code, ...masked, ...(where !== undefined && { where: withoutPasswords(where) }), ...(cause !== undefined && { cause }) };
    this.more = more;
  }

  get exitCode(): ExitCode {
    return ERROR_CODES[this.code].exit;
  }
}

/** The stars take as much room, so that what is underlined is still the same. */
const withoutPasswords = (where: SourcePlace | string): SourcePlace | string =>
  typeof where === "string" ? hidePasswords(where) : { ...where, ...(where.text !== undefined && { text: hidePasswords(where.text, { keepLength: true }) }) };

/** What was thrown with every text in it gone through `hide`: another LandfallError, or the same error of others. */
export function withoutSecrets(thrown: LandfallError, hide: Hide): LandfallError;
export function withoutSecrets(thrown: unknown, hide: Hide): unknown;
export function withoutSecrets(thrown: unknown, hide: Hide): unknown {
  if (typeof thrown === "string") return hide(thrown);
  if (!(thrown instanceof Error)) return thrown;
  if (thrown instanceof LandfallError) {
    const { code, cause, ...texts } = thrown.parts;
    const hidden = new LandfallError(
      { code, ...hideIn(texts, hide), cause: withoutSecrets(cause, hide) },
      thrown.more.map((error) => withoutSecrets(error, hide)),
    );
    return Object.assign(hidden, { stack: hide(thrown.stack ?? "") });
  }
  for (const key of Object.getOwnPropertyNames(thrown)) {
    const text: unknown = Reflect.get(thrown, key);
    if (typeof text === "string") Object.defineProperty(thrown, key, { value: hide(text) });
  }
  return thrown;
}

/** The message of whatever was thrown, which need not be an Error, nor one of this realm. */
export const messageOf = (thrown: unknown): string => (hasKey(thrown, "message") ? String(thrown.message) : String(thrown));

/** The code of what Node threw, such as ENOENT. */
export const codeOf = (thrown: unknown): string | undefined => (hasKey(thrown, "code") && typeof thrown.code === "string" ? thrown.code : undefined);

const hasKey = <Key extends string>(value: unknown, key: Key): value is Record<Key, unknown> => typeof value === "object" && value !== null && key in value;

/** What Node adds to the errors of the operating system. Spelt out, because the types of this file are read where Node's are not installed. */
interface SystemError extends Error {
  code?: string;
  errno?: number;
  path?: string;
  syscall?: string;
}

/** What was thrown as Node's own errors are, which may have a code, a path and a system call. */
export const errnoOf = (thrown: unknown): SystemError => (thrown instanceof Error ? thrown : new Error(messageOf(thrown)));

/** A value that is always there: without it the program itself is wrong. `what` names it. */
export function present<Value>(value: Value | undefined, what: string): Value {
  if (value === undefined) throw new TypeError(`there is no ${what}`);
  return value;
}

interface CodeFacts {
  exit: ExitCode;
  /** For docs/errors.md: when it is raised and what to do, one or two sentences. */
  about: string;
}

/** Every code, its exit status and what it means: the source of docs/errors.md. */
export const ERROR_CODES = {
  CONFIG_NOT_FOUND: { exit: 2, about: "No landfall.config.ts stands in this folder or above it. `landfall init` writes one." },
  CONFIG_UNREADABLE: { exit: 2, about: "The configuration file exists but could not be read: permissions, a folder in its place, or a disk error." },
  CONFIG_SYNTAX: { exit: 2, about: "The configuration file is not TypeScript that can be parsed." },
  CONFIG_THREW: { exit: 2, about: "The configuration file was parsed, but failed while it was evaluated." },
  CONFIG_NOT_DEFINED: { exit: 2, about: "The configuration file has no default export made with defineApp({...})." },
  CONFIG_UNRECOGNIZED_KEY: { exit: 2, about: "A key that Landfall does not know. Nothing is ever ignored silently." },
  CONFIG_MISSING_KEY: { exit: 2, about: "A key that has no default is absent." },
  CONFIG_WRONG_VALUE: { exit: 2, about: "A value of the wrong type, outside its range, or without its unit." },
  CONFIG_CONFLICT: { exit: 2, about: "Two keys contradict each other, or a name refers to something that is not there." },
  CONFIG_HOLDS_KEY: { exit: 2, about: "The configuration, which is committed with the app, holds an access key of AWS or a private key. Take it out, and replace it where it was made: whoever could read the file may have it." },
  CONFIG_EXISTS: { exit: 2, about: "A configuration stands here already. `landfall init --force` writes it anew." },
  CONFIG_UNWRITABLE: { exit: 1, about: "The configuration file could not be written: permissions, a read-only or a full disk." },
  APP_NOT_RECOGNIZED: { exit: 2, about: "`landfall init` found nothing in the folder that it knows how to start. The files it looks for are listed." },
  ENVIRONMENT_UNKNOWN: { exit: 2, about: "The environment is not among those of the configuration." },
  ENVIRONMENT_NOT_COMMISSIONED: { exit: 1, about: "The environment does not stand yet. `landfall commission` makes it." },
  USAGE: { exit: 2, about: "A command, option or argument that Landfall does not know, or one that is missing." },
  LEASE_HELD: { exit: 3, about: "Another operation holds the environment. Its holder and start are named." },
  LEASE_LOST: { exit: 3, about: "The operation did nothing for half a minute (on AWS, for a minute and a half), stopped or hung, and another one took the environment over. It stopped where it was." },
  WAY_BACK_FAILED: { exit: 1, about: "A rollout failed, and going back failed as well. What was healthy serves; `landfall resume` or `landfall abort` tries again." },
  ABORT_IMPOSSIBLE: { exit: 1, about: "The interrupted operation has gone too far to be undone. `landfall resume` finishes it." },
  CONFIRMATION_DECLINED: { exit: 3, about: "The question was not answered with the environment's name. Nothing was changed." },
  INTERRUPTED: { exit: 130, about: "The operation was interrupted by a signal." },
  GIT_NOT_A_REPOSITORY: { exit: 2, about: "The app's folder is not in a git repository, so there is no commit to release. Commit it, or deploy with --dirty." },
  GIT_REF_UNKNOWN: { exit: 2, about: "The git reference does not name a commit." },
  GIT_DIRTY: { exit: 2, about: "The working tree differs from the commit. Commit, or release the working tree with --dirty." },
  SOURCE_EMPTY: { exit: 2, about: "The app's folder holds no file to release: nothing is committed there, or everything is ignored." },
  SOURCE_FILE_UNSUPPORTED: { exit: 2, about: "Something in the app's folder cannot be released: a git submodule, a repository inside it, a socket, a name that is not UTF-8." },
  SOURCE_LFS_POINTER: { exit: 1, about: "A file is kept by Git LFS, and neither its bytes nor a way to fetch them are on this machine: the app would get a pointer in its place." },
  SOURCE_CHANGED: { exit: 1, about: "A file of the working tree was changed while it was being released. Run the command again." },
  RECIPE_FILE_MISSING: { exit: 2, about: "A file that the recipe names is not in the release." },
  RECIPE_PACKAGE_MISSING: { exit: 2, about: "A Debian package that the recipe needs is not installed on this machine." },
  RECIPE_STEP_FAILED: { exit: 1, about: "A step of the recipe ended with a non-zero status. The image was not kept." },
  IMAGE_ENTRY_CONFLICT: { exit: 2, about: "The recipe's steps made a file or folder that the release's source also has; only one of them can stand there." },
  BUILD_STEP_FAILED: { exit: 1, about: "A build step of the release ended with a non-zero status. The release was not kept." },
  MIGRATION_FAILED: { exit: 1, about: "The release phase ended with a non-zero status. The rollout did not begin." },
  MIGRATION_TIMED_OUT: { exit: 1, about: "The release phase was still running at its time budget, and was stopped." },
  EXPAND_BROKE_RELEASE: { exit: 1, about: "After the release phase the release that serves no longer passed its health check: it cannot live with the new schema. The rollout did not begin." },
  RELEASE_BARRED: { exit: 1, about: "The release cannot come back, because a contract phase has run since; or a contract phase was not run, because another release serves." },
  DRAIN_VETOED: { exit: 1, about: "An instance, asked whether it may be stopped, said “not yet” until its drain time-out. `--force` stops it all the same." },
  CANARY_WORSE: { exit: 1, about: "The canary failed more often, or was slower, than fresh instances of the old release under the same traffic; or it crashed." },
  CANARY_UNKNOWN: { exit: 1, about: "Too little is known of the canary: it got too few requests within its time and `rollout.canary.undecided` is `refuse`, or it answered hardly any while its baseline did." },
  HEALTH_NEVER_PASSED: { exit: 1, about: "An instance gave one answer and then another to its health check until the deadline, and none that passes." },
  HEALTH_STATUS: { exit: 1, about: "The health check was answered again and again with the same status outside the accepted range." },
  HEALTH_LOST: { exit: 1, about: "An instance passed its health check, and failed it again before it had been healthy for `health.steadyFor`." },
  HEALTH_TIMED_OUT: { exit: 1, about: "The instance takes the health check's connection, and gives no whole answer within the time-out." },
  HEALTH_NOT_HTTP: { exit: 1, about: "What listens on the instance's port does not answer in HTTP: it closes the connection, or speaks something else, such as HTTPS." },
  HEALTH_LEAKS: { exit: 1, about: "The answer to the health check holds a secret's value, or a listing of the instance's environment. Such a release is never given traffic. The names are shown, the values are not." },
  INSTANCE_CRASHED: { exit: 1, about: "The process ended before it was healthy, for none of the causes that have a code of their own. Its exit reason and last log lines are shown." },
  INSTANCE_IN_BACKGROUND: { exit: 1, about: "The command of an instance ended, and what it had started ran on in the background, where nobody watches it; it was ended. Let the command stay in the foreground." },
  INSTANCE_ENDED: { exit: 1, about: "The command ended with status 0 instead of running on: it had nothing more to do, or it put itself into the background." },
  INSTANCE_OUT_OF_MEMORY: { exit: 1, about: "The process was killed by the kernel for lack of memory, or ended because its own memory limit was reached." },
  INSTANCE_DISK_FULL: { exit: 1, about: "The process could not write because a volume is full. The free space of the environment's volume is shown." },
  INSTANCE_VARIABLE_MISSING: { exit: 1, about: "The process says that a variable it needs is not set. The variable is named, and whether the configuration gives it." },
  INSTANCE_RESOURCE_UNREACHABLE: { exit: 1, about: "The process could not connect to a server that it needs: a resource of the app, or an address that is none of them. Whether it takes connections now is shown." },
  INSTANCE_RESOURCE_REFUSED: { exit: 1, about: "A database, cache or other server that the process needs did not accept its user or password." },
  INSTANCE_PORT_IN_USE: { exit: 1, about: "The process wanted a port that another process has. Several instances run on one machine: no port of theirs can be fixed." },
  INSTANCE_COMMAND_NOT_FOUND: { exit: 1, about: "The shell did not find the service's command (status 127)." },
  INSTANCE_COMMAND_NOT_EXECUTABLE: { exit: 1, about: "The service's command is a file that cannot be executed (status 126)." },
  INSTANCE_FILE_MISSING: { exit: 1, about: "The process did not find a file or a module that it needs." },
  INSTANCE_WRITE_REFUSED: { exit: 1, about: "The process had no right to write a file: the folder of its release is read-only, for root too. Data belongs in the folder that LANDFALL_DATA names." },
  INSTANCE_WRONG_PORT: { exit: 1, about: "The process listens on another port than the one it was given in PORT." },
  INSTANCE_WRONG_ADDRESS: { exit: 1, about: "The process listens on its port, but not at the address where requests come to it: 127.0.0.1." },
  INSTANCE_FOREIGN_ANSWER: { exit: 1, about: "The health check passes, but another process than the instance answers it." },
  INSTANCE_NOT_LISTENING: { exit: 1, about: "The process runs, and listened on no port until the deadline." },
  INSTANCE_SLOW_START: { exit: 1, about: "The instance passed its health check shortly after its deadline. The deadline that would have been enough is named." },
  INSTANCE_IGNORED_STOP: { exit: 1, about: "The process did not end within its stop time-out and was killed." },
  INSTANCE_UNREACHABLE: { exit: 1, about: "No instance of the service stands that a command could be run on." },
  SESSION_PLUGIN_MISSING: { exit: 2, about: "A command in a container goes over ECS Exec, which needs AWS's session-manager-plugin on this machine." },
  SECRET_MISSING: { exit: 2, about: "A service asks for a secret that was never set in this environment." },
  SECRET_REFUSED: { exit: 2, about: "A secret has a name that no variable can have or that a resource gives already, or a value that no process could be given: it holds a NUL byte, or is too long." },
  SECRET_IN_USE: { exit: 3, about: "The release that serves was given the secret, and could not be started again without it. It is not removed." },
  SECRETS_KEY_UNSAFE: { exit: 2, about: "The key file of the secrets is missing, damaged, or readable by other users." },
  PACKAGE_MISSING: { exit: 2, about: "A part of Landfall that npm installs for this platform alone is not there. The line that installs it is given." },
  RESOURCE_PROGRAM_MISSING: { exit: 2, about: "A resource needs a program that is not on this machine. The package that brings it is named." },
  RESOURCE_FAILED: { exit: 1, about: "A resource did not start or stopped answering." },
  PROCESS_UNKNOWN: { exit: 1, about: "The supervisor was asked for a process that it does not have: it was never started, or has been stopped since." },
  SUPERVISOR_UNREACHABLE: { exit: 1, about: "The environment's supervisor does not answer. `landfall commission` starts it again." },
  BALANCER_UNREACHABLE: { exit: 1, about: "The environment's balancer does not answer its supervisor. `landfall logs` shows its own words." },
  CERTIFICATE_UNUSABLE: { exit: 2, about: "A file of the key `tls` is missing, is no PEM, or the key is that of another certificate." },
  PORT_TAKEN: { exit: 2, about: "A port of the balancer or of a resource is in use by another process, or may not be listened on. Nothing listens elsewhere instead. Once the port is free a balancer that has run before starts by itself; else repeat the command." },
  SERVICE_UNKNOWN: { exit: 2, about: "The service is not among those of the configuration." },
  RELEASE_UNKNOWN: { exit: 2, about: "There is no such release in this environment." },
  NOTHING_TO_ROLL_BACK: { exit: 1, about: "No earlier release is kept in this environment." },
  SCALE_OUT_OF_RANGE: { exit: 2, about: "The number of instances is outside the service's minimum and maximum, or above the guard of a command." },
  AWS_REGION_MISSING: { exit: 2, about: "Neither the environment nor the AWS settings name a region." },
  AWS_REGION_UNKNOWN: { exit: 2, about: "The region that is set is none of AWS's: nothing has an address there. Those of a similar name are given." },
  AWS_PROFILE_UNKNOWN: { exit: 2, about: "The profile that AWS_PROFILE names, or another profile as its source, is not in AWS's settings on this machine." },
  AWS_CREDENTIALS_MISSING: { exit: 2, about: "The SDK's standard chain found no credentials for AWS: none are set, half of a pair is, or nobody is logged in. Which it is, is said. Landfall never asks for or keeps any." },
  AWS_CREDENTIALS_EXPIRED: { exit: 2, about: "The credentials for AWS are of a session that has ended. Log in again." },
  AWS_CREDENTIALS_REFUSED: { exit: 2, about: "AWS does not know the credentials, or their secret part is another one." },
  AWS_CREDENTIALS_EXPOSED: { exit: 2, about: "The file with the credentials for AWS can be read by other users of this machine." },
  AWS_ACCOUNT_DIFFERS: { exit: 3, about: "The credentials are of another account than the environment's key `account`. Nothing was changed." },
  AWS_ACCESS_DENIED: { exit: 1, about: "The credentials do not allow a call to AWS. The call is named as policies name it; `landfall iam` prints what is needed." },
  AWS_UNREACHABLE: { exit: 1, about: "AWS did not answer, after several attempts: no network, no such endpoint, or an outage." },
  AWS_FAILED: { exit: 1, about: "AWS answered again and again that it failed, or that the account makes too many calls." },
  AWS_LIMIT: { exit: 2, about: "The environment would have more of something in one place than AWS allows any account: target groups of a balancer, resources of a stack, bytes of an instance's settings." },
  AWS_QUOTA: { exit: 1, about: "The account has as much of something (vCPUs, volumes, addresses) as AWS gives it until it asks for more, which Service Quotas does. `landfall plan` counts vCPUs." },
  CHANGE_IMPOSSIBLE: { exit: 2, about: "AWS never makes the change to what stands: a database's disk only grows, and by a tenth at least. The next size is named. Nothing was changed." },
  STACK_FAILED: { exit: 1, about: "CloudFormation could not make, change or remove a resource. The first one that failed is named, in CloudFormation's words; it took back what the change had done." },
  STACK_STUCK: { exit: 1, about: "A stack is in a state that neither going on nor going back could end. What blocks it is named." },
  STACK_FOREIGN: { exit: 3, about: "A stack of a name that Landfall would give stands in the account without Landfall's tags. What is not Landfall's is never touched." },
  STACK_REPLACEMENT_REFUSED: { exit: 3, about: "The change would replace or remove something that holds data. Nothing was changed; `--confirm-replace` with its name allows it." },
  CONTAINER_ENGINE_MISSING: { exit: 2, about: "A container image has to be made, and neither docker, podman nor buildah answers on this machine. What each of them said is shown." },
  CONTAINER_FILE_MISSING: { exit: 2, about: "The Dockerfile that a service names is not among the files of the release." },
  CONTAINER_BUILD_FAILED: { exit: 1, about: "A step of the Dockerfile failed. The engine's last lines are shown." },
  CONTAINER_PULL_FAILED: { exit: 1, about: "ECS could not pull the container image of a service: it is not in the registry, was made for another processor, or there is no way or no right to it. ECS's words are shown." },
  CONTAINER_NOT_STARTED: { exit: 1, about: "ECS could not start a container, and its command never ran: a secret or its log was not there, or the way to them. ECS's words are shown." },
  CONTAINER_PUSH_FAILED: { exit: 1, about: "The registry did not take the container image, or the login to it. The engine's last lines are shown." },
  TASK_LOST: { exit: 1, about: "A machine that was started for one task (an image, a build, a release phase) ended without saying how it went. It is terminated." },
  DATA_MISSING: { exit: 3, about: "Data that the environment had is not where it was: nothing is there, an empty folder (a disk that is not mounted), or another database's or environment's data. Nothing is made in its place. Mount or put it back; `landfall commission <env> --empty` with its name begins with an empty one." },
  KEEP_REFUSED: { exit: 3, about: "Data could not be set aside, or taken up again, without a risk: something is in its place already, or it lies on another file system. Nothing was changed." },
  DATA_PROTECTED: { exit: 3, about: "A database has `deletionProtection`, and `decommission` removes it only when it is named: `--confirm-remove` with its name. Nothing was changed." },
  STATE_DAMAGED: { exit: 1, about: "A file of the state is not as it was written, nor is its copy: cut short, changed, or not to be read. It is named, with what is lost and how to go on." },
  STATE_UNWRITABLE: { exit: 1, about: "The folder that keeps the state could not be written: read-only, full, or someone else's." },
  NETWORK_UNFIT: { exit: 3, about: "The network that an environment on AWS is to be put into cannot carry it. What is missing is named, subnet by subnet; Landfall changes nothing of it." },
  ONLY_ON_AWS: { exit: 2, about: "The command is about an account of AWS, and the environment is on this machine." },
  REHEARSAL_IMPOSSIBLE: { exit: 2, about: "No machine can be booted here: a rehearsal needs Linux, root, and some Debian packages, which are named." },
  EXPORT_EXISTS: { exit: 2, about: "`landfall export` writes into a new or empty folder only, so that nothing of an older export is left among the new files." },
  COST_ABOVE_BUDGET: { exit: 3, about: "A change would cost more than the environment's `budget`, with every fleet that scales at its largest. `landfall plan` shows it line by line." },
  COST_UNKNOWN: { exit: 3, about: "The environment has a `budget`, and the price of something in it is neither in the table of prices nor known to the Pricing API." },
  LEFT_BEHIND: { exit: 1, about: "After decommission something of the environment was still there. It is listed." },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;
