// A value and the text it came from → the app, or every problem of it with its place.
import type { z } from "zod";
import { type ErrorCode, LandfallError, present, type SourcePlace } from "../error.ts";
import { hidePasswords } from "../text/mask.ts";
import { assertNoCredentials } from "./credential-scan.ts";
import {
  absenceOf,
  bareType,
  chooserOf,
  definitionOf,
  describeLiteral,
  describeType,
  factsOf,
  listWords,
  literalsOf,
  type Path,
  schemaAt,
  shapeOf,
  valueAt,
} from "./describe-schema.ts";
import { meantWord } from "./other-words.ts";
import { findViolations } from "./rules/index.ts";
import type { Finding } from "./rules/violation.ts";
import { type App, appSchema } from "./schema.ts";
import type { Source } from "./source.ts";
import { parseSource, placeOf } from "./source.ts";

const STANDING = "Nothing was changed.";

/** A problem at a path of the app; its place in the text is found last. */
interface Problem extends Finding {
  code: ErrorCode;
  /** The key that a misspelt one was meant to be: without it, it seems not to be there. */
  meant?: Path;
}

type Issue = z.core.$ZodIssue;

/**
 * Checks a value that came from `text`, and fills in every default. Reads no file and evaluates nothing.
 * Errors: one LandfallError with every problem, in the order of the text: CONFIG_UNRECOGNIZED_KEY, CONFIG_MISSING_KEY,
 * CONFIG_WRONG_VALUE, CONFIG_CONFLICT; or alone CONFIG_HOLDS_KEY, or CONFIG_NOT_DEFINED when the value is not an object.
 *
 * @example validateText('export default { name: "a", services: { web: { command: "x" } } }', "a.ts", { name: "a", services: { web: { command: "x" } } }).name // "a"
 */
export const validateText = (text: string, file: string, value: unknown): App => validateSource(parseSource(text, file), value);

export function validateSource(source: Source, value: unknown): App {
  assertNoCredentials(source, value);
  if (!isObject(value)) throw notDefined(source, value);
  const result = appSchema.safeParse(value);
  const issues = result.success ? [] : result.error.issues.flatMap((issue) => flatten(issue, [], value));
  const direct = dropFollowUps(issues.flatMap((issue) => problemOf(issue, value)));
  const { app, unread } = result.success ? { app: result.data, unread: [] } : repair(value, direct);
  const violations = app ? findViolations(app, value).filter(({ reads }) => !unread.some((path) => reads.some((part) => overlap(part, path)))) : [];
  const problems: Problem[] = [
    ...direct,
    ...violations.map((violation) => ({ code: "CONFIG_CONFLICT" as const, ...violation, next: andCheck(violation.next) })),
  ];
  if (!result.success || problems.length > 0) throw together(source, problems);
  return result.data;
}

/**
 * For what needs an environment's name and place alone: the app without what is wrong in it. Undefined where its name, or anything of that environment,
 * is wrong, or nothing can be read.
 */
export function validateWithout(value: unknown, environment: string): App | undefined {
  if (!isObject(value)) return undefined;
  const issues = appSchema.safeParse(value).error?.issues.flatMap((issue) => flatten(issue, [], value)) ?? [];
  const { app, unread } = repair(
    value,
    issues.flatMap((issue) => problemOf(issue, value)),
  );
  const needed: Path[] = [["name"], ["environments", environment]];
  if (!app || unread.some((path) => needed.some((part) => overlap(part, path)))) return undefined;
  return { ...app, name: String(value.name) };
}

function together(source: Source, problems: Problem[]): LandfallError {
  const placed = problems.map((problem) => ({ problem, where: placeOf(source, problem.path, problem.aim ?? "key") }));
  placed.sort((a, b) => a.where.line - b.where.line || a.where.column - b.where.column);
  const errors = placed.map(({ problem, where }) => partsOf(problem, where));
  const [first, ...more] = errors;
  return new LandfallError(
    present(first, "problem"),
    more.map((parts) => new LandfallError(parts)),
  );
}

const partsOf = ({ code, what, why, hint, next }: Problem, where: SourcePlace) => ({
  code,
  what,
  where: hint ? { ...where, hint } : where,
  why,
  standing: STANDING,
  next,
});

export function notDefined(source: Source, value: unknown): LandfallError {
  const what =
    value === undefined
      ? `"${baseName(source.file)}" has no default export`
      : `the default export of "${baseName(source.file)}" is ${quote(value)}, not an app`;
  return new LandfallError({
    code: "CONFIG_NOT_DEFINED",
    what,
    where: value === undefined ? source.file : placeOf(source, [], "key"),
    why: "Landfall reads the app from the file's default export, an object.",
    standing: STANDING,
    next: andCheck("write  export default defineApp({ ... })"),
  });
}

const baseName = (file: string) => file.replace(/^.*[\\/]/s, "");
const andCheck = (act: string) => `${act}, then run  landfall check`;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Keys of a configuration are no symbols. */
const pathOf = ({ path }: Issue): Path => path.filter((step) => typeof step !== "symbol");

/** Puts what a union says of its options in the place of the union, when it is clear which option was meant. */
function flatten(issue: Issue, prefix: Path, root: unknown): Issue[] {
  const path = [...prefix, ...pathOf(issue)];
  const whole: Issue = { ...issue, path };
  if (issue.code !== "invalid_union" || !isObject(valueAt(root, path))) return [whole];
  const meant = issue.errors.find((issues) => !issues.some((issue) => issue.path.length === 0 && issue.code !== "unrecognized_keys"));
  return meant ? meant.flatMap((issue) => flatten(issue, path, root)) : [whole];
}

function problemOf(issue: Issue, root: unknown): Problem[] {
  const path = pathOf(issue);
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unrecognized(path, key, root));
  if (issue.code === "invalid_key") return [wrongName(path)];
  return [isMissing(path, root) ? missing(path, root) : wrongValue(path, root)];
}

const isMissing = (path: Path, root: unknown) => {
  const parent = valueAt(root, path.slice(0, -1));
  return isObject(parent) && !Object.hasOwn(parent, String(path.at(-1)));
};

function unrecognized(owner: Path, key: string, root: unknown): Problem {
  const shape = shapeOf(schemaAt(appSchema, owner, root) ?? appSchema, valueAt(root, owner)) ?? {};
  const keys = Object.keys(shape);
  const written = valueAt(root, owner);
  const free = keys.filter((name) => !(isObject(written) && Object.hasOwn(written, name)));
  const meant = meantWord(key, free) ?? meantWord(key, keys);
  const type = meant === undefined ? undefined : shape[meant];
  return {
    code: "CONFIG_UNRECOGNIZED_KEY",
    path: [...owner, key],
    what: `unrecognized key ${quote(key)} in ${describePath(owner, true)}`,
    meant: meant === undefined ? undefined : [...owner, meant],
    hint: meant && `did you mean "${meant}"?`,
    why: meant && type ? consequence([...owner, meant], type, valueAt(written, [key])) : `Known there: ${keys.join(", ")}.`,
    next: andCheck(meant ? "rename the key" : "remove the key"),
  };
}

/** What ignoring a misspelt key would have done. */
function consequence(path: Path, schema: z.ZodType, value: unknown): string {
  const absence = absenceOf(schema);
  const subject = `Ignoring it would leave ${describePath(path)}`;
  if (absence.kind === "required") return `${subject} without a value, and it has no default.`;
  if (absence.kind === "optional") return `${subject} unset.`;
  const shape = shapeOf(schema);
  if (!shape || !isObject(value))
    return `${subject} at its default, ${describeLiteral(absence.value)}${value === undefined ? "" : ` instead of ${quote(value)}`}.`;
  const differing = Object.entries(shape).flatMap(([name, type]) => {
    const absence = absenceOf(type);
    const instead = valueAt(value, [name]);
    if (instead === undefined || absence.kind === "required") return [];
    return [`${name} ${absence.kind === "default" ? describeLiteral(absence.value) : "unset"} instead of ${quote(instead)}`];
  });
  return differing.length ? `${subject} at its default: ${differing.join(", ")}.` : `${subject} at its default.`;
}

function missing(path: Path, root: unknown): Problem {
  const key = String(path.at(-1));
  const owner = path.slice(0, -1);
  const schema = schemaAt(appSchema, path, root);
  const about = schema && factsOf(schema)?.about;
  return {
    code: "CONFIG_MISSING_KEY",
    path: owner,
    what: `missing key "${key}" in ${describePath(owner, true)}`,
    why: `It has no default. Required: ${required(path, root)}.${about ? `\n${about}` : ""}`,
    next: andCheck(`add "${key}" to ${describePath(owner, true)}`),
  };
}

function wrongValue(path: Path, root: unknown): Problem {
  const schema = schemaAt(appSchema, path, root);
  const value = valueAt(root, path);
  const literals = (schema ? literalsOf(schema) : discriminatorsAt(path, root)).filter((literal) => typeof literal === "string");
  const meant = typeof value === "string" ? meantWord(value, literals) : undefined;
  return {
    code: "CONFIG_WRONG_VALUE",
    path,
    aim: "value",
    what: `wrong value for ${describePath(path)}: ${quote(value)}`,
    hint: meant && `did you mean "${meant}"?`,
    why: `Required: ${required(path, root)}.${value === undefined ? "\nThe key is there, but its value is undefined." : ""}`,
    next: andCheck("change the value"),
  };
}

function wrongName(path: Path): Problem {
  const schema = schemaAt(appSchema, path.slice(0, -1), undefined);
  const names = schema && definitionOf(bareType(schema)).keyType;
  return {
    code: "CONFIG_WRONG_VALUE",
    path,
    what: `wrong name in ${describePath(path.slice(0, -1))}: ${quote(path.at(-1))}`,
    why: `Required: ${names ? describeType(names) : "another name"}.`,
    next: andCheck("rename it"),
  };
}

function required(path: Path, root: unknown): string {
  const schema = schemaAt(appSchema, path, root);
  return schema ? describeType(schema) : listWords(discriminatorsAt(path, root).map((literal) => JSON.stringify(literal)));
}

/** What the key that chooses between the options of a union may be; until one is chosen that key has no schema. */
function discriminatorsAt(path: Path, root: unknown): unknown[] {
  const union = schemaAt(appSchema, path.slice(0, -1), root);
  const { options = [] } = union ? definitionOf(bareType(union)) : {};
  return options.flatMap((option) => chooserOf(option, String(path.at(-1))));
}

const NOUNS: Record<string, string> = { services: "service", resources: "resource", environments: "environment" };

/** `["services", "web", "health", "path"]` → `"health.path" of service "web"`. As an owner of keys the root is "the app". */
function describePath(path: Path, asOwner = false): string {
  const [section, name, ...rest] = path;
  const noun = NOUNS[String(section)];
  if (noun && name !== undefined) return `${rest.length ? `"${dotted(rest)}" of ` : ""}${noun} ${quote(name)}`;
  if (section === "routes" && typeof name === "number") return `${rest.length ? `"${dotted(rest)}" of ` : ""}route ${name + 1}`;
  return path.length === 0 && asOwner ? "the app" : `"${dotted(path)}"`;
}

const dotted = (path: Path) => path.map((step, index) => (typeof step === "number" ? `[${step}]` : `${index ? "." : ""}${step}`)).join("");

const QUOTED_MAX = 60;

/** A value in one short line. A password in a URL is left out. */
function quote(value: unknown): string {
  if (typeof value === "string") {
    const open = hidePasswords(value);
    return JSON.stringify(open.length > QUOTED_MAX ? `${open.slice(0, QUOTED_MAX)}…` : open);
  }
  if (Array.isArray(value)) return "a list";
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "bigint" ? `${value}n` : String(value);
}

const startsWith = (path: Path, start: Path) => start.every((step, index) => path[index] === step);
const overlap = (a: Path, b: Path) => startsWith(a, b) || startsWith(b, a);

/** A misspelt key leaves the right one missing; that is one slip, and is told once. */
function dropFollowUps(problems: Problem[]): Problem[] {
  const meant = problems.flatMap((problem) => (problem.meant ? [problem.meant] : []));
  return dropRepeated(problems).filter(
    ({ code, path, what }) =>
      code !== "CONFIG_MISSING_KEY" || !meant.some((key) => samePath(key.slice(0, -1), path) && what.startsWith(`missing key "${key.at(-1)}"`)),
  );
}

/** A function and an empty list have a length, so that besides being no text they are found too short for one. */
const dropRepeated = (problems: Problem[]): Problem[] => [
  ...new Map(problems.map((problem) => [JSON.stringify([problem.path, problem.what]), problem])).values(),
];

const samePath = (a: Path, b: Path) => a.length === b.length && startsWith(a, b);

/** How often taking out what is wrong may bring up something else. */
const ROUNDS_MAX = 5;

interface Repaired {
  /** Undefined when nothing is left that could be read. */
  app?: App;
  /** What the app lacks that its author meant it to have. */
  unread: Path[];
}

/** The app without what is wrong in it, so that the rest can still be held to the rules. */
function repair(value: Record<string, unknown>, problems: Problem[]): Repaired {
  const unread = problems.flatMap(({ path, meant }) => (meant ? [path, meant] : [path]));
  // No rule reads the name.
  let rest = problems.map(({ path }) => path).reduce<unknown>(without, { ...value, name: "app" });
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const result = appSchema.safeParse(rest);
    if (result.success) return { app: result.data, unread };
    const wrong = result.error.issues.map(pathOf).map((path) => (isMissing(path, rest) ? path.slice(0, -1) : path));
    unread.push(...wrong);
    rest = wrong.reduce(without, rest);
  }
  return { unread };
}

/** A route keeps its number when it is taken out; of other lists nothing is left. */
function without(value: unknown, path: Path): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return undefined;
  if (Array.isArray(value))
    return rest.length || typeof value[Number(step)] === "object" ? value.map((item, index) => (index === step ? {} : item)) : undefined;
  if (!isObject(value)) return undefined;
  if (!Object.hasOwn(value, step)) return value;
  const inner = rest.length ? without(value[step], rest) : undefined;
  const { [step]: _, ...others } = value;
  return inner === undefined ? others : { ...others, [step]: inner };
}
