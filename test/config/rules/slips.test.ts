// A slip is told once: a rule whose inputs did not parse is not asked, so that nobody reads of a contradiction that is not there.
import { describe, expect, it } from "vitest";
import { validateText } from "../../../src/config/check.ts";
import { LandfallError } from "../../../src/error.ts";
import { CONTAINERS, FULL } from "../../targets/aws/templates/apps.ts";

type Path = (string | number)[];

const LOCAL = {
  name: "a",
  services: {
    web: { command: "x", port: 3000, drain: { ask: "/ready" } },
    api: { command: "x", port: 4000 },
    worker: { command: "x", instances: { min: 1, max: 4 }, scaling: { queue: { resource: "jobs", latency: "30s" } } },
    nightly: { command: "x", schedule: "0 3 * * *" },
  },
  resources: { jobs: { type: "queue" }, database: { type: "postgres" }, reports: { type: "mysql", url: "mysql://db.example.com/a" } },
  routes: [{ path: "/api/*", service: "api" }],
  environments: { local: { target: "local", tls: "local", services: { web: { instances: 2 } } } },
};

/** The first lines of all that is wrong. */
function problemsOf(app: unknown): string[] {
  try {
    validateText(`export default ${JSON.stringify(app, null, 1)};\n`, "landfall.config.ts", app);
    return [];
  } catch (error) {
    if (!(error instanceof LandfallError)) throw error;
    return [error, ...error.more].map(({ parts: { code, what } }) => `${code}: ${what}`);
  }
}

/** Every key of the app, and every item of a list. */
function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const own = Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...path, Array.isArray(value) ? Number(key) : key]));
  return path.length === 0 ? own : [path, ...own];
}

function change(value: unknown, [step, ...rest]: Path, edit: (owner: Record<string | number, unknown>, key: string | number) => void): unknown {
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>;
  if (rest.length === 0) edit(copy, step as string);
  else copy[step as string] = change(copy[step as string], rest, edit);
  return copy;
}

const APPS = { LOCAL, FULL, CONTAINERS };

const isToldOnce = ([first, ...others]: string[]) => first !== undefined && !first.startsWith("CONFIG_CONFLICT") && others.length === 0;

describe.each(Object.entries(APPS))("of the app %s, a single slip", (_, app) => {
  it("is none to begin with", () => expect(problemsOf(app)).toEqual([]));

  const paths = pathsIn(app);

  // A function has a length, as texts and lists have.
  it.each([
    ["a list", [["no such thing"]]],
    ["a function", () => 1],
  ])("in a value is one problem: %s", (_, value) => {
    const wrong = paths.flatMap((path) => {
      const problems = problemsOf(change(app, path, (owner, key) => (owner[key] = value)));
      return isToldOnce(problems) ? [] : [{ path: path.join("."), problems }];
    });
    expect(wrong).toEqual([]);
  });

  it("of an empty list is one problem at most", () => {
    const counts = paths.map((path) => problemsOf(change(app, path, (owner, key) => (owner[key] = []))).length);
    expect(Math.max(...counts)).toBe(1);
  });

  it("in the name of a key is one problem", () => {
    const wrong = paths.flatMap((path) => {
      const key = path.at(-1);
      // Names that the app gives itself may be any.
      const isOwn = /^(services|resources|environments|environment|headers)$/.test(String(path.at(-2)));
      if (typeof key !== "string" || isOwn) return [];
      const problems = problemsOf(
        change(app, path, (owner) => {
          owner[`${key.slice(0, -1)}${key.at(-1)}${key.at(-1)}`] = owner[key];
          delete owner[key];
        }),
      );
      return isToldOnce(problems) ? [] : [{ path: path.join("."), problems }];
    });
    expect(wrong).toEqual([]);
  });
});
