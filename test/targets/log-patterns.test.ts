import { describe, expect, it } from "vitest";
import { findLogMatch } from "../../src/targets/log-patterns.ts";

/** Last words as programs of many languages print them. */
const KNOWN: [words: string, cause: string, found: Record<string, unknown>][] = [
  ["    raise KeyError(key) from None\nKeyError: 'STRIPE_KEY'", "variableMissing", { subject: "STRIPE_KEY" }],
  ["config.rb:1:in `fetch': key not found: \"STRIPE_KEY\" (KeyError)\n\tfrom config.rb:1:in `<main>'", "variableMissing", { subject: "STRIPE_KEY" }],
  [
    "Error: STRIPE_KEY must be set\n    at Object.<anonymous> (/srv/app/config.js:3:9)\n\nNode.js v20.20.2",
    "variableMissing",
    { subject: "STRIPE_KEY" },
  ],
  ["Error: Missing required environment variable: STRIPE_KEY", "variableMissing", { subject: "STRIPE_KEY" }],
  ['EnvVarError: env-var: "STRIPE_KEY" is a required variable, but it was not set', "variableMissing", { subject: "STRIPE_KEY" }],
  [
    "====\n Missing environment variables:\n    STRIPE_KEY: undefined\n====\n\n Exiting with error code 1",
    "variableMissing",
    { subject: "STRIPE_KEY" },
  ],
  [
    "Error code: P1012\nerror: Environment variable not found: STRIPE_KEY.\n  -->  schema.prisma:3\n   | ",
    "variableMissing",
    { subject: "STRIPE_KEY" },
  ],
  [
    "ValidationError: 1 validation error for Settings\nstripe_key\n  Field required [type=missing, input_value={}, input_type=dict]",
    "variableMissing",
    { subject: "STRIPE_KEY" },
  ],
  [
    "decouple.UndefinedValueError: STRIPE_KEY not found. Declare it as envvar or define a default value.",
    "variableMissing",
    { subject: "STRIPE_KEY" },
  ],
  ["django.core.exceptions.ImproperlyConfigured: Set the STRIPE_KEY environment variable", "variableMissing", { subject: "STRIPE_KEY" }],
  ["ImproperlyConfigured: The SECRET_KEY setting must not be empty.", "variableMissing", { subject: "SECRET_KEY" }],
  ["ArgumentError: Missing `secret_key_base` for 'production' environment", "variableMissing", { subject: "SECRET_KEY_BASE" }],
  ["** (RuntimeError) environment variable STRIPE_KEY is missing.", "variableMissing", { subject: "STRIPE_KEY" }],
  ["2026/01/05 10:11:12 required key STRIPE_KEY missing value", "variableMissing", { subject: "STRIPE_KEY" }],
  ['panic: env: required environment variable "STRIPE_KEY" is not set', "variableMissing", { subject: "STRIPE_KEY" }],
  ["start.sh: 3: STRIPE_KEY: parameter not set", "variableMissing", { subject: "STRIPE_KEY" }],
  ["start.sh: line 3: STRIPE_KEY: unbound variable", "variableMissing", { subject: "STRIPE_KEY" }],
  ["IllegalArgumentException: Could not resolve placeholder 'STRIPE_KEY' in value \"${STRIPE_KEY}\"", "variableMissing", { subject: "STRIPE_KEY" }],

  [
    "Error: connect ECONNREFUSED 127.0.0.1:5432\n    at TCPConnectWrap {\n  errno: -111,\n  code: 'ECONNREFUSED',\n  port: 5432\n}",
    "resourceUnreachable",
    { host: "127.0.0.1", port: 5432 },
  ],
  ["Error: connect ECONNREFUSED ::1:5432", "resourceUnreachable", { host: "::1", port: 5432 }],
  [
    "TypeError: fetch failed\n    at node:internal\n  [cause]: Error: connect ECONNREFUSED 127.0.0.1:9000\n      at x {",
    "resourceUnreachable",
    { port: 9000 },
  ],
  [
    'OperationalError: connection to server at "127.0.0.1", port 5432 failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?',
    "resourceUnreachable",
    { resource: "postgres", port: 5432 },
  ],
  [
    'sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server at "db" (10.0.0.9), port 5432 failed: Connection timed out\n\n(Background on this error at: https://sqlalche.me/e/20/e3q8)',
    "resourceUnreachable",
    { host: "db", port: 5432 },
  ],
  [
    "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
    "resourceUnreachable",
    { host: "localhost", port: 6379 },
  ],
  ["initialize': Connection refused - connect(2) for 127.0.0.1:6379 (RedisClient::CannotConnectError)", "resourceUnreachable", { port: 6379 }],
  ["failed to connect: dial tcp 127.0.0.1:5432: connect: connection refused\nexit status 1", "resourceUnreachable", { port: 5432 }],
  ["ConnectionRefusedError: [Errno 111] Connection refused", "resourceUnreachable", {}],
  ["Error: getaddrinfo ENOTFOUND database\n  code: 'ENOTFOUND',", "resourceUnreachable", { host: "database" }],
  [
    "error: password authentication failed for user \"app\"\n    at /srv/app/node_modules/pg-pool/index.js:45:11 {\n  code: '28P01',\n  routine: 'auth_failed'\n}",
    "resourceRefused",
    { subject: "app", resource: "postgres" },
  ],
  [
    'OperationalError: connection to server at "127.0.0.1", port 5432 failed: FATAL:  password authentication failed for user "app"',
    "resourceRefused",
    { subject: "app" },
  ],
  ["ReplyError: WRONGPASS invalid username-password pair or user is disabled.", "resourceRefused", { resource: "cache" }],
  ["ReplyError: NOAUTH Authentication required.", "resourceRefused", { resource: "cache" }],
  ["ERROR 1045 (28000): Access denied for user 'app'@'localhost' (using password: YES)", "resourceRefused", { subject: "app" }],

  [
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0xb8 node::Abort() [node]\n 2: 0xa9 [node]\nAborted",
    "outOfMemory",
    {},
  ],
  ["    return [bytearray(50_000_000)]\nMemoryError", "outOfMemory", {}],
  ["[CRITICAL] Worker (pid:12) was sent SIGKILL! Perhaps out of memory?", "outOfMemory", {}],
  ["Error: ENOSPC: no space left on device, write\n  errno: -28,\n  code: 'ENOSPC',", "diskFull", {}],
  ["OSError: [Errno 28] No space left on device", "diskFull", {}],
  ["Error: listen EADDRINUSE: address already in use 127.0.0.1:3000\n  code: 'EADDRINUSE',\n  port: 3000", "portInUse", { port: 3000 }],
  ["Error: listen EADDRINUSE: address already in use :::3000", "portInUse", { port: 3000 }],
  ["OSError: [Errno 98] Address already in use", "portInUse", {}],
  ["ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use", "portInUse", { port: 8000 }],
  ["[ERROR] Connection in use: ('127.0.0.1', 8000)\n[ERROR] Can't connect to ('127.0.0.1', 8000)", "portInUse", { port: 8000 }],
  ['Address already in use - bind(2) for "127.0.0.1" port 3000 (Errno::EADDRINUSE)', "portInUse", { port: 3000 }],
  ["listen tcp 127.0.0.1:8080: bind: address already in use", "portInUse", { port: 8080 }],

  [
    "Error: Cannot find module 'express'\nRequire stack:\n- /srv/app/web.js\n    at Module._load {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: [ '/srv/app/web.js' ]\n}",
    "fileMissing",
    { subject: "express" },
  ],
  ['  File "app.py", line 3\nsqlite3.OperationalError: unable to open database file', "writeRefused", {}],
  ["django.db.utils.OperationalError: attempt to write a readonly database", "writeRefused", {}],
  ["SqliteError: unable to open database file\n    at new Database {\n  code: 'SQLITE_CANTOPEN'\n}", "writeRefused", {}],
  ["ActiveRecord::StatementInvalid: SQLite3::CantOpenException: unable to open database file", "writeRefused", {}],
  ["Error: EACCES: permission denied, open '/srv/app/uploads/1.png'", "writeRefused", { subject: "/srv/app/uploads/1.png" }],
  ["Error: EROFS: read-only file system, mkdir 'uploads'\n    at Object.mkdirSync (node:fs:1)", "writeRefused", { subject: "uploads" }],
  ["PermissionError: [Errno 13] Permission denied: 'celerybeat-schedule'", "writeRefused", { subject: "celerybeat-schedule" }],
  ["OSError: [Errno 30] Read-only file system: 'media'", "writeRefused", { subject: "media" }],
  ["in `initialize': Permission denied @ rb_sysopen - tmp/cache (Errno::EACCES)", "writeRefused", { subject: "tmp/cache" }],
  ["2026/01/05 panic: open data/app.db: permission denied", "writeRefused", { subject: "data/app.db" }],
  ["java.nio.file.AccessDeniedException: logs/app.log", "writeRefused", { subject: "logs/app.log" }],
  ["sh: 1: cannot create pids/web.pid: Permission denied", "writeRefused", { subject: "pids/web.pid" }],
  ["mkdir: cannot create directory ‘tmp’: Read-only file system", "writeRefused", { subject: "tmp" }],
  ["Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'express' imported from /srv/app/web.js", "fileMissing", { subject: "express" }],
  ["ModuleNotFoundError: No module named 'flask'", "fileMissing", { subject: "flask" }],
  ["require': cannot load such file -- sinatra (LoadError)", "fileMissing", { subject: "sinatra" }],
  [
    "Error: ENOENT: no such file or directory, open 'config/settings.json'\n  code: 'ENOENT',\n  path: 'config/settings.json'",
    "fileMissing",
    { subject: "config/settings.json" },
  ],
  ["FileNotFoundError: [Errno 2] No such file or directory: 'settings.toml'", "fileMissing", { subject: "settings.toml" }],
  ["python3: can't open file '/srv/app/web.py': [Errno 2] No such file or directory", "fileMissing", { subject: "/srv/app/web.py" }],
  ["/bin/sh: 1: cd: can't cd to server", "fileMissing", { subject: "server" }],
  ["/bin/sh: 1: exec: gunicorn: not found", "commandNotFound", { subject: "gunicorn" }],
  ["/bin/sh: line 1: gunicorn: command not found", "commandNotFound", { subject: "gunicorn" }],
  ["env: ‘bundle’: No such file or directory", "commandNotFound", { subject: "bundle" }],
  ["/bin/sh: 1: exec: ./start: Permission denied", "commandNotExecutable", { subject: "./start" }],
];

const UNKNOWN = [
  "",
  "TypeError: Cannot read properties of undefined (reading 'routes')\n    at web.js:3:1\n\nNode.js v20.20.2",
  "ZeroDivisionError: division by zero",
  // What was complained of before is not why it ended.
  "error: connect ECONNREFUSED 127.0.0.1:8125\nTypeError: x is not a function\n    at web.js:1:1",
  "KeyError: 'user'",
  "Error: the ID is required",
  "listening on 127.0.0.1:3000",
  'expected status "OK", JSON is undefined',
];

describe("last words", () => {
  it.each(KNOWN)("%s", (words, cause, found) => {
    expect(findLogMatch(words.split("\n"))).toMatchObject({ cause, ...found });
  });

  it.each(UNKNOWN)("say nothing known: %s", (words) => {
    expect(findLogMatch(words.split("\n"))).toBeUndefined();
  });
});
