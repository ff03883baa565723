import { expect, it } from "vitest";
import { describeError } from "../../../../src/cli/print/error.ts";
import { appSchema } from "../../../../src/config/schema.ts";
import type { Answer, Fault, Observations } from "../../../../src/targets/local/diagnosis/classify.ts";
import { describeFault } from "../../../../src/targets/local/diagnosis/describe.ts";
import type { Evidence, Failure } from "../../../../src/targets/local/diagnosis/watched.ts";
import type { Exit } from "../../../../src/targets/local/supervisor/api.ts";

const settings = appSchema.parse({
  name: "app",
  services: { web: { command: "exec node web.js", port: 8080, health: { path: "/ready", startupTimeout: "9s" } } },
}).services.web;
const STARTED = 1_790_000_000_000;

interface Case {
  fault: Fault;
  evidence?: Evidence;
  exit?: Partial<Exit>;
  answers?: Answer[];
  listens?: Observations["looks"][number]["listens"];
  log?: string[];
  wasHealthy?: boolean;
  gotRequests?: boolean;
}

/** The whole text of the error, as a person reads it. */
function describe({ fault, evidence = {}, exit, answers = [], listens, log = [], wasHealthy, gotRequests }: Case): string {
  const failure = {
    watched: {
      id: "web.1.7f3c2a",
      service: "web",
      release: "7f3c2a",
      settings,
      serving: "4be019",
      gotRequests,
      environment: "local",
      since: STARTED,
    },
    process: { pid: 4711, port: 20_001, spec: { cwd: "/srv/7f3c2a", env: { LANDFALL_DATA: "/srv/data/web" } } },
    seen: {
      nowMs: 9_000,
      wasHealthy,
      health: settings?.health,
      exits: exit ? [{ at: STARTED + 1_200, lastLines: log, ...exit }] : [],
      attempts: answers.map((answer, index) => ({ answer, atMs: 500 + index * 500 })),
      looks: listens ? [{ atMs: 2_000, listens, busyMs: 0, processes: 2, news: 0 }] : [],
      lines: log.map((line) => ({ atMs: 0, line })),
    },
    fault,
  } as unknown as Failure;
  return describeError(describeFault({ ...failure, evidence, hide: (text) => text.replaceAll("hunter2-hunter2", "…") }));
}

const refused: Answer = { kind: "refused" };
const answered = (status: number, body: string): Answer => ({ kind: "answered", status, passed: status < 300, body });
const match = (line: string, rest: object = {}) => ({ cause: "fileMissing" as const, line, ...rest });

it("INSTANCE_CRASHED", () => {
  expect(
    describe({ fault: { kind: "crashed" }, exit: { code: 1 }, log: ["TypeError: x is not a function, said hunter2-hunter2"] }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" crashed before it was healthy                  INSTANCE_CRASHED

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      last log  TypeError: x is not a function, said …

      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_ENDED", () => {
  expect(describe({ fault: { kind: "ended" }, exit: { code: 0 }, log: ["done"] })).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" came to its end instead of running on            INSTANCE_ENDED

      command   exec node web.js
      process   web.1.7f3c2a ended with status 0, 1.2s after its start
      last log  done

      The command did what it had to do, or went to the background: what it left running there was stopped with it.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: let the command of "web" stay in the foreground until it is asked to stop"
  `);
});

it("INSTANCE_IN_BACKGROUND", () => {
  const left = [{ pid: 815, command: "gunicorn" }];
  expect(describe({ fault: { kind: "ended" }, exit: { code: 0, left }, wasHealthy: true, gotRequests: true })).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" put itself into the background           INSTANCE_IN_BACKGROUND

      command  exec node web.js
      process  web.1.7f3c2a ended with status 0, 1.2s after its start
      left     pid 815 (gunicorn), outside of its process group; it was ended

      What was started ended, and what it had started ran on. Landfall watches the process that it starts, and ends with it what it leaves behind.
      Release 4be019 gets all traffic again. 7f3c2a had got some of it, and was stopped.
      Next: let the command of "web" stay in the foreground until it is asked to stop"
  `);
});

it("HEALTH_LOST", () => {
  const answers = [answered(200, "ok"), answered(200, "ok"), answered(500, "the pool is exhausted"), answered(500, "the pool is exhausted")];
  expect(describe({ fault: { kind: "lost" }, answers, wasHealthy: true, gotRequests: true })).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" passed its health check, and then failed it         HEALTH_LOST

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempts 1-2  200 "ok"  500ms - 1s
      answered  attempts 3-4  500 "the pool is exhausted"  1.5s - 2s
      process   web.1.7f3c2a runs with pid 4711

      It has to stay healthy for 5s before anything depends on it.
      Release 4be019 gets all traffic again. 7f3c2a had got some of it, and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_OUT_OF_MEMORY", () => {
  expect(
    describe({
      fault: { kind: "outOfMemory" },
      exit: { signal: "SIGKILL", outOfMemory: true },
      evidence: { memory: { freeBytes: 120e6, sizeBytes: 8e9 } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" ran out of memory                        INSTANCE_OUT_OF_MEMORY

      command  exec node web.js
      process  web.1.7f3c2a was killed by the kernel, which was out of memory, 1.2s after its start
      memory   120.0 MB of 8.0 GB are free on this machine now

      It needs more memory than its own limit or the machine allows.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_DISK_FULL", () => {
  expect(
    describe({
      fault: { kind: "diskFull" },
      exit: { code: 1 },
      log: ["ENOSPC"],
      evidence: { disk: { path: "/var/lib/landfall", freeBytes: 0, sizeBytes: 20e9 } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" found a disk full                            INSTANCE_DISK_FULL

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      disk      0.0 MB of 20.0 GB are free at /var/lib/landfall
      last log  ENOSPC

      A volume it writes to has no space or no files left, or its quota is used up.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_VARIABLE_MISSING", () => {
  expect(
    describe({
      fault: { kind: "variableMissing" },
      exit: { code: 1 },
      log: ["KeyError: 'STRIPE_KEY'"],
      evidence: { variable: { name: "STRIPE_KEY", isEmpty: false } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" lacks the variable "STRIPE_KEY"       INSTANCE_VARIABLE_MISSING

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      variable  STRIPE_KEY is not in the configuration
      last log  KeyError: 'STRIPE_KEY'

      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: set STRIPE_KEY in services.web.environment; or, for a secret, add it to services.web.secrets and run  landfall secrets set local STRIPE_KEY"
  `);
});

it("INSTANCE_VARIABLE_MISSING, given", () => {
  expect(
    describe({
      fault: { kind: "variableMissing" },
      exit: { code: 1 },
      evidence: { variable: { name: "STRIPE_KEY", source: "services.web.environment", isEmpty: true } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" lacks the variable "STRIPE_KEY"       INSTANCE_VARIABLE_MISSING

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      variable  STRIPE_KEY is given by services.web.environment, and is empty

      The app has it and does not find it: it reads another source, or at another time, than its environment.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_RESOURCE_UNREACHABLE", () => {
  expect(
    describe({
      fault: { kind: "resourceUnreachable" },
      exit: { code: 1 },
      evidence: { server: { resource: { name: "database", type: "postgres", state: "restarting" }, address: "127.0.0.1:5432/app", listens: false } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" does not reach the postgres "database"  INSTANCE_RESOURCE_UNREACHABLE

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      resource  postgres "database" at 127.0.0.1:5432/app: restarting, and takes no connections now

      It does not answer.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_RESOURCE_UNREACHABLE, none of the app’s", () => {
  expect(
    describe({
      fault: { kind: "resourceUnreachable", match: match("", { host: "localhost", port: 5432 }) },
      exit: { code: 1 },
      evidence: { server: { address: "localhost:5432", listens: false } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" does not reach a server at localhost:5432  INSTANCE_RESOURCE_UNREACHABLE

      command  exec node web.js
      process  web.1.7f3c2a ended with status 1, 1.2s after its start
      server   localhost:5432: takes no connections now

      That address is none of the app's resources: a default of the app, or a variable that it does not read.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_RESOURCE_REFUSED", () => {
  expect(
    describe({
      fault: { kind: "resourceRefused", match: match("", { subject: "app" }) },
      exit: { code: 1 },
      evidence: { server: { resource: { name: "database", type: "postgres", state: "running" }, address: "127.0.0.1:5432/app", listens: true } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" was refused by the postgres "database"  INSTANCE_RESOURCE_REFUSED

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      resource  postgres "database" at 127.0.0.1:5432/app: running, and takes connections now

      The server was reached and did not accept user "app". Probably the app uses other credentials than those in the variables it was given, or takes them apart wrongly.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_PORT_IN_USE", () => {
  expect(
    describe({
      fault: { kind: "portInUse", match: match("", { port: 3000 }) },
      exit: { code: 1 },
      log: ["EADDRINUSE"],
      evidence: { holder: { pid: 99, group: 98, command: "node", instance: "web.1.4be019" } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" wants port 3000, which is in use           INSTANCE_PORT_IN_USE

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      holder    web.1.4be019 (pid 99)
      last log  EADDRINUSE

      It was given port 20001 in PORT; several instances run on this machine, so that no port can be fixed.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: let "web" listen on the port in PORT, and give every other port it opens a number from PORT or none"
  `);
});

it("INSTANCE_COMMAND_NOT_FOUND", () => {
  expect(
    describe({
      fault: { kind: "commandNotFound", match: match("", { subject: "gunicorn" }) },
      exit: { code: 127 },
      log: ["sh: 1: gunicorn: not found"],
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" has a command that was not found: "gunicorn"  INSTANCE_COMMAND_NOT_FOUND

      command   exec node web.js
      process   web.1.7f3c2a ended with status 127, 1.2s after its start
      last log  sh: 1: gunicorn: not found

      It is neither in the release's folder nor on PATH.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: correct services.web.command, or add what brings the command to the recipe"
  `);
});

it("INSTANCE_COMMAND_NOT_EXECUTABLE", () => {
  expect(describe({ fault: { kind: "commandNotExecutable", match: match("", { subject: "./start" }) }, exit: { code: 126 } })).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" has a command that cannot be executed: "./start"  INSTANCE_COMMAND_NOT_EXECUTABLE

      command  exec node web.js
      process  web.1.7f3c2a ended with status 126, 1.2s after its start

      The file is there, but it is not marked as executable, or it is no program for this machine.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: git update-index --chmod=+x ./start, or name its interpreter in services.web.command"
  `);
});

it("INSTANCE_FILE_MISSING", () => {
  expect(
    describe({
      fault: { kind: "fileMissing", match: match("ENOENT 1", { subject: "config/a.json" }) },
      exit: { code: 1 },
      log: ["ENOENT 1", ..."bcdefghij"],
      evidence: { file: { path: "/srv/7f3c2a/config/a.json", exists: false } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" does not find "config/a.json"             INSTANCE_FILE_MISSING

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      folder    /srv/7f3c2a
      file      /srv/7f3c2a/config/a.json is not there
      last log  ENOENT 1
                d
                e
                f
                g
                h
                i
                j

      Probably it is not part of the release: not committed, not installed by the recipe, not made by a build step, or looked for in another folder.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_WRITE_REFUSED", () => {
  const fault = (line: string, subject?: string) => ({ kind: "writeRefused" as const, match: { cause: "writeRefused" as const, line, subject } });
  const [inside, outside] = ["sqlite3.OperationalError: unable to open database file", "Error: EACCES: permission denied, open '/var/log/app.log'"];
  expect(describe({ fault: fault(inside), exit: { code: 1 }, log: [inside] })).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" may not write its file                   INSTANCE_WRITE_REFUSED

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      data      /srv/data/web
      last log  sqlite3.OperationalError: unable to open database file

      The folder of a release is read-only, for root too: each release has its own, so that what is written there would be gone with the next one.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: let "web" keep its files in the folder that the variable LANDFALL_DATA names"
  `);
  const evidence = { file: { path: "/var/log/app.log", exists: false } };
  expect(describe({ fault: fault(outside, "/var/log/app.log"), evidence, exit: { code: 1 }, log: [outside] })).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" may not write "/var/log/app.log"         INSTANCE_WRITE_REFUSED

      command   exec node web.js
      process   web.1.7f3c2a ended with status 1, 1.2s after its start
      data      /srv/data/web
      last log  Error: EACCES: permission denied, open '/var/log/app.log'

      It is outside of the release, and the user that the app runs as has no right to it.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: let "web" keep its files in the folder that the variable LANDFALL_DATA names"
  `);
});

it("INSTANCE_WRONG_PORT", () => {
  expect(
    describe({
      fault: { kind: "wrongPort" },
      answers: [refused, refused, refused],
      listens: [{ host: "0.0.0.0", port: 8080, passes: true }],
      log: ["listening on 8080"],
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" listens on another port than it was given   INSTANCE_WRONG_PORT

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempts 1-3  connection refused  500ms - 1.5s
      listens   0.0.0.0:8080 (passes the health check)
      process   web.1.7f3c2a runs with pid 4711
      last log  listening on 8080

      PORT was 20001. It listens on 8080, the port in the configuration: on one machine every instance gets a port of its own.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: let "web" listen on 127.0.0.1 at the port in PORT"
  `);
});

it("INSTANCE_WRONG_ADDRESS", () => {
  expect(
    describe({ fault: { kind: "wrongAddress" }, answers: [refused, refused, refused], listens: [{ host: "::1", port: 20_001 }] }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" listens on another address than requests come to  INSTANCE_WRONG_ADDRESS

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempts 1-3  connection refused  500ms - 1.5s
      listens   [::1]:20001
      process   web.1.7f3c2a runs with pid 4711

      The port is right. Requests come to 127.0.0.1:20001.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: let "web" listen on 127.0.0.1, which it is given in HOST"
  `);
});

it("INSTANCE_FOREIGN_ANSWER", () => {
  expect(
    describe({
      fault: { kind: "foreignAnswer" },
      answers: [answered(200, "ok")],
      listens: [],
      evidence: { holder: { pid: 99, group: 98, command: "nginx" } },
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" is not what answers on its port         INSTANCE_FOREIGN_ANSWER

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempt 1  200 "ok"  500ms
      listens   nowhere
      process   web.1.7f3c2a runs with pid 4711
      answers   nginx, none of this environment's processes (pid 99)

      Another process listens on 127.0.0.1:20001 and passes the health check. Requests would go to it.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: see what pid 99 is, and stop it"
  `);
});

it("INSTANCE_NOT_LISTENING", () => {
  expect(describe({ fault: { kind: "notListening" }, answers: [refused, refused], listens: [] })).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" runs, but does not listen on any port    INSTANCE_NOT_LISTENING

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempts 1-2  connection refused  500ms - 1s
      listens   nowhere
      process   web.1.7f3c2a runs with pid 4711

      Nothing listened within 9s, nor for 9s after that.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_SLOW_START", () => {
  expect(
    describe({ fault: { kind: "slowStart" }, answers: [...Array.from({ length: 21 }, () => refused), answered(200, "ok")], listens: [] }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" became healthy only after its deadline      INSTANCE_SLOW_START

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempts 1-21  connection refused  500ms - 11s
      answered  attempt 22  200 "ok"  11s
      listens   nowhere
      process   web.1.7f3c2a runs with pid 4711

      It passed 11s after it was started; 9s were allowed.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: set services.web.health.startupTimeout to "17s""
  `);
});

it("HEALTH_LEAKS", () => {
  expect(
    describe({
      fault: { kind: "leaks" },
      answers: [{ ...answered(200, "KEY=hunter2"), leaks: { secrets: ["KEY"], variables: ["PATH", "HOME", "LEVEL"] } } as Answer],
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" gives away its environment in the answer to its health check  HEALTH_LEAKS

      asked      GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered   attempt 1  200, not shown here  500ms
      process    web.1.7f3c2a runs with pid 4711
      secrets    the values of KEY are in the answer
      variables  the values of PATH, HOME, LEVEL are in the answer

      Anyone who asks that path would get them. Such a release is never given traffic.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: answer /ready without them, and change the secrets if that release has served before"
  `);
});

it("HEALTH_STATUS", () => {
  expect(
    describe({
      fault: { kind: "status" },
      answers: [refused, { ...answered(302, ""), location: "/login" } as Answer, { ...answered(302, ""), location: "/login" } as Answer],
    }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" answers its health check with 302                 HEALTH_STATUS

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempt 1  connection refused  500ms
      answered  attempts 2-3  302 to /login ""  1s - 1.5s
      process   web.1.7f3c2a runs with pid 4711

      The health check is sent on to another address. Redirects are not followed: name a path that answers itself.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("HEALTH_NOT_HTTP", () => {
  expect(
    describe({ fault: { kind: "notHttp" }, answers: [{ kind: "notHttp", text: "Parse Error: Expected HTTP/" }, { kind: "closed" }] }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" does not answer its health check in HTTP        HEALTH_NOT_HTTP

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempt 1  no HTTP: Parse Error: Expected HTTP/  500ms
      answered  attempt 2  connection closed without an answer  1s
      process   web.1.7f3c2a runs with pid 4711

      It takes the connection and closes it, or answers something else. A server that speaks only HTTPS does that; encryption is the balancer's part.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: let "web" speak plain HTTP on the port in PORT"
  `);
});

it("HEALTH_TIMED_OUT", () => {
  expect(describe({ fault: { kind: "timedOut" }, answers: [{ kind: "silent" }, { kind: "silent" }] })).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" takes its health check and does not answer it  HEALTH_TIMED_OUT

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempts 1-2  no whole answer in time  500ms - 1s
      process   web.1.7f3c2a runs with pid 4711

      No whole answer came within 2s. Probably it waits for something itself, or all its threads are taken.
      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("HEALTH_NEVER_PASSED", () => {
  expect(
    describe({ fault: { kind: "neverPassed" }, answers: [answered(500, "a"), answered(502, "b"), { kind: "failed", text: "EHOSTUNREACH" }] }),
  ).toMatchInlineSnapshot(`
    "error: release 7f3c2a of "web" never passed its health check               HEALTH_NEVER_PASSED

      asked     GET http://127.0.0.1:20001/ready for 9s at most; 200-299 within 2s passes
      answered  attempt 1  500 "a"  500ms
      answered  attempt 2  502 "b"  1s
      answered  attempt 3  EHOSTUNREACH  1.5s
      process   web.1.7f3c2a runs with pid 4711

      Release 4be019 still gets all traffic. 7f3c2a took none and was stopped.
      Next: landfall logs local web --release 7f3c2a"
  `);
});

it("INSTANCE_CRASHED after it was healthy", () => {
  expect(describe({ fault: { kind: "crashed" }, exit: { signal: "SIGSEGV" }, wasHealthy: true, gotRequests: true })).toBe(`\
error: release 7f3c2a of "web" crashed soon after it was healthy              INSTANCE_CRASHED

  command  exec node web.js
  process  web.1.7f3c2a was killed by SIGSEGV, 1.2s after its start

  Release 4be019 gets all traffic again. 7f3c2a had got some of it, and was stopped.
  Next: landfall logs local web --release 7f3c2a`);
});
