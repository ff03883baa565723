// Patterns of what programs say of their own failure, in the words of the languages and libraries people use. Pure: lines in, cause out.
// Only the program's last words count: an app that complains of one thing and ends of another is not judged by the first.

import { stripVTControlCharacters } from "node:util";

export type Cause =
  | "variableMissing"
  | "resourceUnreachable"
  | "resourceRefused"
  | "outOfMemory"
  | "diskFull"
  | "portInUse"
  | "fileMissing"
  | "writeRefused"
  | "commandNotFound"
  | "commandNotExecutable";

export interface LogMatch {
  cause: Cause;
  /** The line it was found in. */
  line: string;
  /** The variable, file, module, command or user it names. */
  subject?: string;
  host?: string;
  port?: number;
  /** The kind of server whose words these are. */
  resource?: "postgres" | "cache";
}

interface Pattern {
  cause: Cause;
  /** Named groups `subject`, `host` and `port` become the match's. Tried on a line with the line after it, and must begin in the first. */
  match: RegExp;
  resource?: LogMatch["resource"];
}

/** A variable's name in a message; words in capitals that are no variable are left out by `isVariable`. */
const VARIABLE = "[\"'`\\[{(]*(?<subject>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)[\"'`\\]})]*";
const variable = (before: string, after: string): Pattern => ({ cause: "variableMissing", match: new RegExp(`${before}${VARIABLE}${after}`) });
const HOST = "\\[?(?<host>[\\w.-]+|[0-9a-fA-F:]*::[0-9a-fA-F:]*)\\]?";

const PATTERNS: Pattern[] = [
  { cause: "outOfMemory", match: /JavaScript heap out of memory|^\s*(?:\w+\.)*MemoryError\b|failed to allocate memory \(NoMemoryError\)/ },
  {
    cause: "outOfMemory",
    match: /java\.lang\.OutOfMemoryError|^fatal error: runtime: out of memory|\bCannot allocate memory\b|Allowed memory size of \d+ bytes exhausted/,
  },
  { cause: "outOfMemory", match: /was sent SIGKILL! Perhaps out of memory/ },
  { cause: "diskFull", match: /\bENOSPC\b|No space left on device|\bEDQUOT\b|Disk quota exceeded/i },
  // Node, Python, Ruby, Go; then servers that put it into a sentence.
  { cause: "portInUse", match: new RegExp(`EADDRINUSE:? address already in use (?:${HOST}?:)?(?<port>\\d+)`) },
  { cause: "portInUse", match: /Address already in use - bind\(2\) for "?(?<host>[\w.:[\]-]+?)"?(?: port |:)(?<port>\d+)/ },
  { cause: "portInUse", match: new RegExp(`listen tcp\\d? (?:${HOST})?:(?<port>\\d+): bind: address already in use`) },
  { cause: "portInUse", match: /error while attempting to bind on address \('(?<host>[^']+)', (?<port>\d+)[^)]*\).*address already in use/ },
  { cause: "portInUse", match: /Connection in use: \('(?<host>[^']*)', (?<port>\d+)\)/ },
  { cause: "portInUse", match: /\b[Pp]ort (?<port>\d+) (?:is|was) (?:already )?in use/ },
  { cause: "portInUse", match: /EADDRINUSE|[Aa]ddress (?:is )?already in use/ },
  { cause: "resourceRefused", resource: "postgres", match: /password authentication failed for user "(?<subject>[^"]+)"/ },
  {
    cause: "resourceRefused",
    resource: "postgres",
    match: /no pg_hba\.conf entry for host|SASL: SCRAM-SERVER-FIRST-MESSAGE|fe_sendauth: no password supplied/,
  },
  { cause: "resourceRefused", resource: "postgres", match: /FATAL: +role "(?<subject>[^"]+)" does not exist/ },
  {
    cause: "resourceRefused",
    resource: "cache",
    match: /\bWRONGPASS\b|\bNOAUTH\b|invalid username-password pair|ERR invalid password|Authentication required\./,
  },
  {
    cause: "resourceRefused",
    match: /Access denied for user '(?<subject>[^']+)'|ACCESS_REFUSED - Login was refused|InvalidAccessKeyId|SignatureDoesNotMatch/,
  },
  { cause: "resourceUnreachable", match: new RegExp(`(?:ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET),? ${HOST}:(?<port>\\d+)`) },
  { cause: "resourceUnreachable", resource: "postgres", match: /connection to server at "(?<host>[^"]+)"(?: \([^)]*\))?, port (?<port>\d+) failed/ },
  { cause: "resourceUnreachable", match: new RegExp(`Error \\d+ (?:while )?connecting to ${HOST}:(?<port>\\d+)`) },
  { cause: "resourceUnreachable", match: new RegExp(`Connection refused - connect\\(2\\) for "?${HOST}"?(?: port |:)(?<port>\\d+)`) },
  { cause: "resourceUnreachable", match: new RegExp(`dial tcp ${HOST}:(?<port>\\d+): (?:connect: |i/o timeout)`) },
  { cause: "resourceUnreachable", match: new RegExp(`Connection to ${HOST}:(?<port>\\d+) refused`) },
  { cause: "resourceUnreachable", match: new RegExp(`host='?${HOST}'?, port=(?<port>\\d+)\\): Max retries exceeded`) },
  { cause: "resourceUnreachable", match: /getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (?<host>[\w.-]+)/ },
  { cause: "resourceUnreachable", resource: "postgres", match: /could not translate host name "(?<host>[^"]+)" to address/ },
  { cause: "resourceUnreachable", match: /ConnectionRefusedError: \[Errno \d+\]|Errno::ECONNREFUSED|connect ECONNREFUSED|\[ECONNREFUSED\]/ },
  { cause: "resourceUnreachable", match: /[Nn]ame or service not known|Temporary failure in name resolution/ },
  // SQLite never says where; then what names the file.
  { cause: "writeRefused", match: /unable to open database file|attempt to write a readonly database|\bSQLITE_(?:CANTOPEN|READONLY)\b/ },
  { cause: "writeRefused", match: /(?:EACCES: permission denied|EROFS: read-only file system), \w+ '(?<subject>[^']+)'/ },
  { cause: "writeRefused", match: /\[Errno (?:13|30)\] (?:Permission denied|Read-only file system): '(?<subject>[^']+)'/ },
  { cause: "writeRefused", match: /(?:Permission denied|Read-only file system) @ \w+ - (?<subject>\S+)/ },
  { cause: "writeRefused", match: /(?:open|mkdir|remove|rename) (?<subject>[^\s:]+): (?:permission denied|read-only file system)/ },
  {
    cause: "writeRefused",
    match: /AccessDeniedException: (?<subject>\S+)|FileNotFoundException: (?<file>\S+) \((?:Permission denied|Read-only file system)\)/,
  },
  {
    cause: "writeRefused",
    match: /cannot (?:create|touch|create directory|remove) [‘'"]?(?<subject>[^‘’'":]+)[’'"]?: (?:Permission denied|Read-only file system)/,
  },
  { cause: "writeRefused", match: /[Rr]ead-only file system/ },
  { cause: "fileMissing", match: /Cannot find (?:module|package) '(?<subject>[^']+)'/ },
  { cause: "fileMissing", match: /(?:ModuleNotFoundError|ImportError): No module named '?(?<subject>[\w.]+)'?/ },
  {
    cause: "fileMissing",
    match:
      /cannot load such file -- (?<subject>\S+)|Could not locate (?<gemfile>Gemfile)|Could not find (?<gem>\S+) in (?:any of the sources|locally installed gems)/,
  },
  { cause: "fileMissing", match: /ENOENT: no such file or directory, \w+ '(?<subject>[^']+)'/ },
  { cause: "fileMissing", match: /No such file or directory: '(?<subject>[^']+)'|No such file or directory @ \w+ - (?<path>\S+)/ },
  {
    cause: "fileMissing",
    match: /can't open file '(?<subject>[^']+)': \[Errno 2\]|Unable to access jarfile (?<jar>\S+)|Could not find or load main class (?<main>\S+)/,
  },
  {
    cause: "fileMissing",
    match: /can't cd to (?<subject>[^:\s]+)(?=[:\s])|cannot open (?<script>[^:\s]+): No such file|\bcd: (?<folder>[^:]+): No such file or directory/,
  },
  { cause: "fileMissing", match: /open (?<subject>[^\s:]+): no such file or directory/ },
  // Python's os.environ, Ruby's ENV.fetch, then libraries that read the environment, then the words people choose themselves.
  variable("\\bKeyError: ", "\\s*\\n"),
  variable("key not found: ", ""),
  {
    cause: "variableMissing",
    match: /^\s*(?<subject>[A-Za-z_][A-Za-z0-9_]*)\n\s+(?:Field required \[type=missing|field required \(type=value_error\.missing)/,
  },
  variable("[Mm]issing (?:required )?environment variables?:?\\s+", ""),
  variable("[Ee]nvironment variables? (?:not found|missing|required|not set|undefined|invalid):?\\s*", ""),
  variable("[Ii]nvalid environment variables:?\\s*", ".{0,20}(?:[Rr]equired|undefined)"),
  variable("[Ss]et the ", " environment variable"),
  variable("", " not found\\. Declare it as envvar"),
  variable("Could not resolve placeholder ", ""),
  variable("", " setting must not be empty"),
  { cause: "variableMissing", match: /Missing [`'"](?<subject>secret_key_base)[`'"]/ },
  variable("required key ", " missing value"),
  variable(
    "(?:[Mm]issing|[Rr]equired|[Uu]ndefined|[Uu]nset)(?: required)?(?: (?:environment|env|config|configuration|secret))?(?: (?:variable|var|setting|key|option|value))?s?:? ",
    "",
  ),
  variable(
    "",
    ":? (?:(?:environment |env )?(?:variable|var|secret) )?(?:is|was|are) (?:a )?(?:not (?:set|defined|provided|present|configured|given|specified)|undefined|unset|missing|required|empty)\\b",
  ),
  variable(
    "",
    "(?: environment variable| env var| variable)? (?:must|has to|needs to|should) be (?:set|defined|provided|present|given|specified|configured)\\b",
  ),
  variable(
    "",
    "(?::|,)? (?:environment variable )?(?:not set|not defined|unbound variable|parameter not set|parameter null or not set|missing|undefined|required)\\b",
  ),
];

/** Words in capitals that error messages are full of. */
const NO_VARIABLE =
  /^(?:E[A-Z]{3,}\d*|ERR_\w+|\w+_NOT_FOUND|HTTPS?|JSON|ERROR|FATAL|PANIC|WARN|WARNING|INFO|DEBUG|CRITICAL|TO_?DO|NULL|NOT|THE|AND|URL|URI|API|SQL|TLS|SSL|ID|IP|[A-Z]{1,2})$/;

/** Lines that only accompany a message: stacks, properties of an error object, source excerpts. */
const ACCOMPANIES =
  /^\s*(?:at |\d+: 0x|-{3,}|Aborted|File "|from |\^|~+|\||\d+ \||[{}\]()]|(?:code|errno|syscall|address|port|path|severity|length|routine|fatal|generatedMessage|requireStack): ?|Node\.js v|node:|Traceback|throw |\.{3}|$)/;
/** An exception of a language: when nothing in it is known, what was said before it is not why the program ended. */
const EXCEPTION = /^\s*(?:Uncaught |\[\w+\]: )?(?:[\w.$:]+::)?[\w.$]*(?:Error|Exception)\b[^:]*:|^panic: /;
const LINES_LOOKED_AT = 8;

/** The cause in a program's last words, or undefined when they name none that is known. Lines oldest first. */
export function findLogMatch(said: readonly string[]): LogMatch | undefined {
  const lines = said.map((line) => stripVTControlCharacters(line));
  const shell = findShellSaying(lines);
  if (shell) return shell;
  let looked = 0;
  for (let index = lines.length - 1; index >= 0 && looked < LINES_LOOKED_AT; index--) {
    const line = lines[index] ?? "";
    if (ACCOMPANIES.test(line)) continue;
    looked += 1;
    const match = readLine(line, lines[index + 1]);
    if (match) return match;
    if (EXCEPTION.test(line)) return undefined;
  }
  return undefined;
}

/** What one line says; the line after it may hold the name. */
export function readLine(said: string, after = ""): LogMatch | undefined {
  const line = stripVTControlCharacters(said);
  const text = `${line.slice(0, 2_000)}\n${after.slice(0, 500)}`;
  for (const { cause, match, resource } of PATTERNS) {
    const result = match.exec(text);
    if (!result || result.index > line.length) continue;
    const { subject, host, port, ...others } = result.groups ?? {};
    const name = subject ?? Object.values(others).find((group) => group !== undefined);
    if (cause === "variableMissing" && !isVariable(name)) continue;
    return {
      cause,
      line,
      ...(name === undefined ? {} : { subject: cause === "variableMissing" ? name.toUpperCase() : name }),
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port: Number(port) }),
      ...(resource === undefined ? {} : { resource }),
    };
  }
  return undefined;
}

const isVariable = (name: string | undefined): boolean => name !== undefined && !NO_VARIABLE.test(name);

/** `sh: 1: exec: gunicorn: not found` and `sh: 1: ./start: Permission denied`: the shell around the command. */
function findShellSaying(lines: readonly string[]): LogMatch | undefined {
  const line = lines.at(-1) ?? "";
  const [, missing] =
    /^(?:\S*\/)?(?:sh|dash|bash|env): (?:line )?(?:\d+: )?(?:exec: )?[‘']?([^:’']+?)[’']?: (?:command )?(?:not found|No such file or directory)$/.exec(
      line,
    ) ?? [];
  if (missing) return { cause: "commandNotFound", line, subject: missing };
  const [, locked] =
    /^(?:\S*\/)?(?:sh|dash|bash|env): (?:line )?(?:\d+: )?(?:exec: )?[‘']?(?!cannot )([^:’']+?)[’']?: (?:Permission denied|Exec format error|cannot execute)/.exec(
      line,
    ) ?? [];
  return locked ? { cause: "commandNotExecutable", line, subject: locked } : undefined;
}
