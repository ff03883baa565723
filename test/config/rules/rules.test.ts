// Each rule once, by its first line; the whole texts are in errors.test.ts.
import { describe, expect, test } from "vitest";
import { validateText } from "../../../src/config/check.ts";
import { deploymentOf } from "../../../src/config/deployment.ts";
import { LandfallError } from "../../../src/error.ts";

/** The first lines of everything that is wrong with an app, each with its place. */
function problemsOf(app: Record<string, unknown>): string[] {
  const text = `export default ${JSON.stringify(app, null, 1)};\n`;
  try {
    validateText(text, "landfall.config.ts", app);
    return [];
  } catch (error) {
    if (!(error instanceof LandfallError)) throw error;
    return [error, ...error.more].map(({ parts }) => {
      const where = parts.where as { text: string; column: number; length: number };
      return `${where.text.slice(where.column - 1, where.column - 1 + where.length)} | ${parts.what}`;
    });
  }
}

const web = { command: "x", port: 1 };
const problems = (rest: Record<string, unknown>) => problemsOf({ name: "a", services: { web }, ...rest });
const problemsOfWeb = (rest: Record<string, unknown>) => problems({ services: { web: { ...web, ...rest } } });
const worker = (rest: Record<string, unknown>) => problems({ services: { web, worker: { command: "x", ...rest } } });

test("an app without contradictions has no problem", () => {
  expect(problems({})).toEqual([]);
  expect(problems({ environments: { production: { target: "aws", services: { web: { instances: 3 } } } } })).toEqual([]);
  expect(worker({ schedule: "*/5 1-3 * * mon" })).toEqual([]);
});

test("nothing on AWS is called as what its environments share", () => {
  const shared = { shared: { type: "bucket" } };
  expect(problems({ resources: shared, environments: { local: { target: "local" } } })).toEqual([]);
  expect(problems({ environments: { shared: { target: "local" } } })).toEqual([]);
  expect(problems({ resources: shared, environments: { shared: { target: "aws" } } })).toEqual([
    '"shared" | a resource is called "shared", which an environment on AWS has another use for',
    '"shared" | an environment is called "shared", which an environment on AWS has another use for',
  ]);
});

describe("services", () => {
  test("at least one, and at least one environment", () => {
    expect(problems({ services: {}, environments: {} })).toEqual([
      '"services" | no service in "services"',
      '"environments" | no environment in "environments"',
    ]);
  });

  test("release phases have the variables of one that is there", () => {
    expect(problems({ release: { service: "web" } })).toEqual([]);
    expect(problems({ release: { service: "wbe" } })).toEqual(['"wbe" | "release.service" is "wbe", and there is no such service']);
  });

  test("min is not above max", () => {
    expect(problemsOfWeb({ instances: { min: 5, max: 2 } })).toEqual(['5 | "min" is above "max" in the instances of service "web": 5 and 2']);
    expect(problems({ environments: { local: { target: "local", services: { web: { instances: { min: 2, max: 1 } } } } } })).toEqual([
      '2 | "min" is above "max" in the instances of service "web" in environment "local": 2 and 1',
    ]);
  });

  test("a singleton has one instance", () => {
    expect(worker({ singleton: true, instances: 1 })).toEqual([]);
    expect(worker({ singleton: true, instances: 2 })).toEqual(['2 | service "worker" is a singleton with up to 2 instances']);
    expect(worker({ singleton: true, instances: { min: 1, max: 3 } })).toEqual(['{ | service "worker" is a singleton with up to 3 instances']);
  });

  test("a job has no port, and its schedule can be read", () => {
    expect(problemsOfWeb({ schedule: "* * * * *" })).toEqual(['"schedule" | service "web" has both a schedule and a port']);
    for (const schedule of ["", "@daily", "* * * *", "* * * * * *", "61 * * * *", "x * * * *", "0 0 31 2 *", "10/20 1 * * *"]) {
      expect(worker({ schedule })).toEqual([
        `${JSON.stringify(schedule)} | wrong value for "schedule" of service "worker": ${JSON.stringify(schedule)}`,
      ]);
    }
  });

  test("draining by path needs a port", () => {
    expect(worker({ drain: { ask: "/a", start: "/b" } })).toEqual([
      '"ask" | service "worker" has "drain.ask" and no port',
      '"start" | service "worker" has "drain.start" and no port',
    ]);
  });

  test("the startup timeout is longer than the interval", () => {
    expect(problemsOfWeb({ health: { interval: "10s", startupTimeout: "10s" } })).toEqual([
      '"10s" | the "startupTimeout" of service "web" is not longer than its "interval"',
    ]);
    expect(problemsOfWeb({ health: { interval: "2m" } })).toEqual(['"2m" | the "startupTimeout" of service "web" is not longer than its "interval"']);
  });
});

describe("a canary's step", () => {
  const canary = (rest: Record<string, unknown>) => problems({ rollout: { canary: rest } });

  test("is not longer than its time-out, which would end it before it could be judged", () => {
    expect(canary({ step: "1m", timeout: "1m" })).toEqual([]);
    expect(canary({ step: "10m", timeout: "5m" })).toEqual(['"5m" | "step" is longer than "timeout" in "rollout.canary": 10m and 5m']);
    // Against the default of the other.
    expect(canary({ step: "30m" })).toEqual(['"30m" | "step" is longer than "timeout" in "rollout.canary": 30m and 20m']);
    expect(canary({ timeout: "1m" })).toEqual(['"1m" | "step" is longer than "timeout" in "rollout.canary": 2m and 1m']);
  });

  test("is held to that in each environment too", () => {
    expect(problems({ environments: { local: { target: "local", rollout: { canary: { timeout: "1m" } } } } })).toEqual([
      '"1m" | "step" is longer than "timeout" in "environments.local.rollout.canary": 2m and 1m',
    ]);
  });
});

describe("scaling", () => {
  const instances = { min: 1, max: 4 };
  const scaling = { cpu: "60%" };
  const resources = { jobs: { type: "queue" }, database: { type: "postgres" } };
  const byQueue = (resource: string) => ({ queue: { resource, latency: "30s" } });

  test("has a range to move in", () => {
    expect(problemsOfWeb({ instances, scaling })).toEqual([]);
    expect(problemsOfWeb({ scaling })).toEqual(['"scaling" | service "web" has scaling and a fixed number of instances: 1']);
    expect(problemsOfWeb({ instances: 3, scaling })).toEqual(['3 | service "web" has scaling and a fixed number of instances: 3']);
    expect(problemsOfWeb({ instances: { min: 2, max: 2 }, scaling })).toEqual(['{ | service "web" has scaling and a fixed number of instances: 2']);
    expect(problemsOfWeb({ instances: { min: 3, max: 2 }, scaling })).toHaveLength(1);
  });

  test("has a range in each environment too, unless it is switched off there", () => {
    const inLocal = (override: object) =>
      problems({ services: { web: { ...web, instances, scaling } }, environments: { local: { target: "local", services: { web: override } } } });
    expect(inLocal({ instances: 1 })).toEqual(['1 | service "web" in environment "local" has scaling and a fixed number of instances: 1']);
    expect(inLocal({ instances: 1, scaling: false })).toEqual([]);
    expect(inLocal({ scaling: { requests: 5 } })).toEqual([]);
    expect(inLocal({ scaling: {} })).toEqual(['"scaling" | the scaling of service "web" in environment "local" measures nothing']);
  });

  test("of jobs and singletons has no sense", () => {
    expect(worker({ scaling, singleton: true, instances: 1 })).toEqual(['"scaling" | service "worker" has both "scaling" and "singleton"']);
    expect(worker({ scaling, schedule: "* * * * *" })).toEqual(['"scaling" | service "worker" has both "scaling" and "schedule"']);
  });

  test("measures what can be measured", () => {
    expect(problemsOfWeb({ instances, scaling: {} })).toEqual(['"scaling" | the scaling of service "web" measures nothing']);
    expect(worker({ instances, scaling: { requests: 5 } })).toEqual(['"requests" | service "worker" is scaled by requests and has no port']);
    const scaledBy = (resource: string) => problems({ resources, services: { web: { ...web, instances, scaling: byQueue(resource) } } });
    expect(scaledBy("jobs")).toEqual([]);
    expect(scaledBy("job")).toEqual(['"job" | service "web" is scaled by queue "job", which is not there']);
    expect(scaledBy("database")).toEqual(['"database" | service "web" is scaled by resource "database", which is a postgres']);
    expect(
      problems({
        resources: { jobs: { type: "queue", url: "https://sqs.example.com/1/jobs" } },
        services: { web: { ...web, instances, scaling: byQueue("jobs") } },
      }),
    ).toEqual(['"jobs" | service "web" is scaled by queue "jobs", which is given by its URL']);
  });

  test("goes down to none only by a queue", () => {
    const range = { min: 0, max: 4 };
    expect(problems({ resources, services: { web: { ...web, instances: range, scaling: byQueue("jobs") } } })).toEqual([]);
    expect(problems({ resources, services: { web: { ...web, instances: range, scaling: { ...scaling, ...byQueue("jobs") } } } })).toEqual([
      '{ | service "web" may be scaled to no instance at all, and not by its queue alone',
    ]);
  });
});

test("an environment's own scaling counts there", () => {
  const app = validateText("export default {}", "a.ts", {
    name: "a",
    services: { web: { ...web, instances: { min: 1, max: 4 }, scaling: { cpu: "60%" } } },
    environments: { local: { target: "local", services: { web: { scaling: false } } }, production: { target: "aws" } },
  });
  expect(deploymentOf(app, "local").services.web?.scaling).toBeUndefined();
  expect(deploymentOf(app, "production").services.web?.scaling).toEqual({ cpu: 60, cooldown: { out: 60_000, in: 300_000 } });
});

describe("variables", () => {
  const database = { resources: { database: { type: "postgres" } } };

  test("are given once", () => {
    expect(problemsOfWeb({ environment: { A: "1" }, secrets: ["A"] })).toEqual(['"A" | variable "A" of service "web" is given twice']);
    expect(problemsOfWeb({ environment: { PORT: "1" } })).toEqual(['"PORT" | variable "PORT" of service "web" is given twice']);
    expect(worker({ environment: { PORT: "1" } })).toEqual([]);
    expect(problems({ ...database, services: { web: { ...web, environment: { DATABASE_URL: "x" } } } })).toHaveLength(1);
    expect(worker({ environment: { LANDFALL_RELEASE: "1" } })).toEqual([
      '"LANDFALL_RELEASE" | variable "LANDFALL_RELEASE" of service "worker" is given twice',
    ]);
    expect(worker({ secrets: ["LANDFALL_DATA"] })).toHaveLength(1);
    expect(problems({ ...database, services: { web: { ...web, secrets: ["DATABASE_READONLY_URL"] } } })).toEqual([
      '"DATABASE_READONLY_URL" | variable "DATABASE_READONLY_URL" of service "web" is given twice',
    ]);
  });

  test("of all services are given once too, in the app and in an environment", () => {
    const services = { web: { ...web, secrets: ["TOKEN"] } };
    expect(problems({ services, environment: { TOKEN: "1", MODE: "a" } })).toEqual(['"TOKEN" | variable "TOKEN" of all services is given twice']);
    const environments = { local: { target: "local", environment: { PORT: "1", LANDFALL_APP: "x" } } };
    expect(problems({ environments })).toEqual([
      '"PORT" | variable "PORT" of all services is given twice',
      '"LANDFALL_APP" | variable "LANDFALL_APP" of all services is given twice',
    ]);
    expect(problems({ ...database, environment: { DATABASE_URL: "x" } })).toHaveLength(1);
  });

  test("of a service count more than those of all, and an environment's more than the app's", () => {
    const app = {
      name: "a",
      environment: { A: "app", B: "app", C: "app", D: "app" },
      services: { web: { ...web, environment: { C: "service", D: "service" } } },
      environments: {
        local: { target: "local", environment: { B: "environment", C: "environment" }, services: { web: { environment: { D: "both" } } } },
      },
    };
    const deployment = deploymentOf(validateText(`export default ${JSON.stringify(app)}`, "landfall.config.ts", app), "local");
    expect(deployment.services.web?.environment).toEqual({ A: "app", B: "environment", C: "service", D: "both" });
  });

  test("may stand in for what is only a default", () => {
    const environment = { HOST: "0.0.0.0", PATH: "/bin", HOME: "/tmp", LANG: "C", LANDFALL: "1" };
    expect(problemsOfWeb({ environment })).toEqual([]);
  });

  test.each([
    ["queue", ["JOBS_QUEUE_URL", "JOBS_DEAD_LETTER_URL"], ["JOBS_URL", "JOBS_BUCKET"]],
    ["bucket", ["JOBS_BUCKET"], ["JOBS_URL"]],
    ["cache", ["JOBS_URL"], ["JOBS_READONLY_URL"]],
  ] as const)("of a %s are its own", (type, given, free) => {
    const withVariable = (variable: string) =>
      problems({ resources: { jobs: { type } }, services: { web: { ...web, environment: { [variable]: "x" } } } });
    for (const variable of given) expect(withVariable(variable)).toHaveLength(1);
    for (const variable of free) expect(withVariable(variable)).toEqual([]);
  });

  test("are given once in an environment too", () => {
    const environments = { local: { target: "local", services: { web: { environment: { DATABASE_URL: "x" } } } } };
    expect(problems({ ...database, environments })).toEqual(['"DATABASE_URL" | variable "DATABASE_URL" of service "web" is given twice']);
  });

  test("are not given by two resources", () => {
    expect(problems({ resources: { db: { type: "postgres" }, "db-readonly": { type: "postgres", readOnlyUser: false } } })).toEqual([
      '"db-readonly" | resources "db" and "db-readonly" both give the variable "DB_READONLY_URL"',
    ]);
  });
});

describe("routes", () => {
  test("decide one thing", () => {
    expect(problems({ routes: [{ deny: true, redirect: { to: "/" } }] })).toEqual(['"redirect" | route 1 decides two things: "deny" and "redirect"']);
    expect(problems({ routes: [{}, { deny: true, redirect: { to: "/" }, service: "web" }] })).toEqual(
      ['"service" | route 2 decides three things: "deny", "redirect" and "service"'].map((line) => line.replace('"service" |', '"redirect" |')),
    );
  });

  test("name a web service", () => {
    expect(problems({ routes: [{ service: "wbe" }] })).toEqual(['"wbe" | route 1 names service "wbe", which is not there']);
    expect(problems({ routes: [{ service: "constructor" }] })).toEqual(['"constructor" | route 1 names service "constructor", which is not there']);
    expect(problems({ services: { web, worker: { command: "x" } }, routes: [{ service: "worker" }] })).toEqual([
      '"worker" | route 1 sends requests to service "worker", which has no port',
    ]);
  });

  test("say which of several web services gets the requests, unless one is called web", () => {
    const services = { site: web, api: web };
    expect(problems({ services })).toEqual(['"site" | no route sends requests to service "site", and none of the 2 web services is called "web"']);
    expect(problems({ services, routes: [{ path: "/api/*", service: "api" }, { service: "site" }] })).toEqual([]);
    expect(problems({ services: { web, api: web } })).toEqual([]);
  });
});

describe("environments", () => {
  test("change services that are there", () => {
    expect(problems({ environments: { local: { target: "local", services: { wbe: {} } } } })).toEqual([
      '"wbe" | environment "local" changes service "wbe", which is not there',
    ]);
  });

  test("have the balancer's keys only where the balancer is Landfall's", () => {
    const settings = { port: 80, tls: "local", limits: {} };
    expect(problems({ environments: { local: { target: "local", ...settings } } })).toEqual([]);
    expect(problems({ environments: { production: { target: "aws", ...settings } } })).toEqual(
      ["port", "tls", "limits"].map((key) => `"${key}" | "${key}" of environment "production" is only for the target "local"`),
    );
  });
});

test("contradictions are told together with wrong values, but not when they may come from them", () => {
  expect(
    problems({
      services: { web: { ...web, prot: 1 }, worker: { command: 3, drain: { ask: "/x" } } },
      routes: [{ service: "worker" }, { service: "wbe" }],
      resources: { a: {} },
    }),
  ).toEqual([
    '"prot" | unrecognized key "prot" in service "web"',
    '3 | wrong value for "command" of service "worker": 3',
    '"wbe" | route 2 names service "wbe", which is not there',
    '"a" | missing key "type" in resource "a"',
  ]);
});
