// A value and the text it came from → the app, or every problem of it with its place.
import type { z } from "zod";
import { type ErrorCode, LandfallError, type SourcePlace } from "../error.ts";
import { findConflicts } from "./conflicts.ts";
import { refuseKeys } from "./keys.ts";
import { type App, appSchema } from "./schema.ts";
import { type Aim, parseSource, placeOf, type Source } from "./source.ts";
import { suggest } from "./suggest.ts";
import {
  absenceOf,
  bareType,
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
} from "./words.ts";

const STANDING = "Nothing was changed.";

/** A problem at a path of the app; its place in the text is found last. */
interface Problem {
  code: ErrorCode;
  path: Path;
  aim?: Aim;
  what: string;
  why: string;
  hint?: string;
  next: string;
}

type Issue = z.core.$ZodIssue;

/**
 * Checks a value that came from `text`, and fills in every default. Reads no file and evaluates nothing.
 * Errors: one LandfallError with every problem, in the order of the text: CONFIG_UNRECOGNIZED_KEY, CONFIG_MISSING_KEY,
 * CONFIG_WRONG_VALUE, CONFIG_CONFLICT; or alone CONFIG_HOLDS_KEY, or CONFIG_NOT_DEFINED when the value is not an object.
 *
 * @example validateText('export default { name: "a", services: {} }', "landfall.config.ts", { name: "a", services: {} })
 */
export const validateText = (text: string, file: string, value: unknown): App => validateSource(parseSource(text, file), value);

export function validateSource(source: Source, value: unknown): App {
  refuseKeys(source, value);
  if (!isObject(value)) throw notDefined(source, value);
  const result = appSchema.safeParse(value);
  const issues = result.success ? [] : result.error.issues.flatMap((issue) => flatten(issue, [], value));
  const own = withoutShadows(issues.flatMap((issue) => problemOf(issue, value)));
  const app = result.success ? result.data : repaired(value, own);
  const conflicts = app ? findConflicts(app, value).filter(({ reads }) => !own.some(({ path }) => reads.some((part) => overlap(part, path)))) : [];
  const problems: Problem[] = [
    ...own,
    ...conflicts.map((conflict) => ({ code: "CONFIG_CONFLICT" as const, ...conflict, next: andCheck(conflict.next) })),
  ];
  if (problems.length > 0) throw together(source, problems);
  return (result as { data: App }).data;
}

function together(source: Source, problems: Problem[]): LandfallError {
  const placed = problems.map((problem) => ({ problem, where: placeOf(source, problem.path, problem.aim ?? "key") }));
  placed.sort((a, b) => a.where.line - b.where.line || a.where.column - b.where.column);
  const errors = placed.map(({ problem, where }) => partsOf(problem, where));
  const [first, ...more] = errors as [ReturnType<typeof partsOf>, ...ReturnType<typeof partsOf>[]];
  return new LandfallError(
    first,
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

const baseName = (file: string) => file.split(/[\\/]/).at(-1) as string;
const andCheck = (act: string) => `${act}, then run  landfall check`;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Puts what a union says of its options in the place of the union, when it is clear which option was meant. */
function flatten(issue: Issue, prefix: Path, root: unknown): Issue[] {
  const path = [...prefix, ...(issue.path as (string | number)[])];
  const whole = { ...issue, path } as Issue;
  if (issue.code !== "invalid_union" || !isObject(valueAt(root, path))) return [whole];
  const meant = issue.errors.find((issues) => !issues.some((own) => own.path.length === 0 && own.code !== "unrecognized_keys"));
  return meant ? meant.flatMap((own) => flatten(own, path, root)) : [whole];
}

function problemOf(issue: Issue, root: unknown): Problem[] {
  const path = issue.path as Path;
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unrecognized(path, key, root));
  if (issue.code === "invalid_key") return [wrongName(path)];
  return [isMissing(path, root) ? missing(path, root) : wrongValue(path, root)];
}

const isMissing = (path: Path, root: unknown) => {
  const parent = valueAt(root, path.slice(0, -1));
  return isObject(parent) && !Object.hasOwn(parent, path.at(-1) as string);
};

function unrecognized(owner: Path, key: string, root: unknown): Problem {
  const shape = shapeOf(schemaAt(appSchema, owner, root) ?? appSchema, valueAt(root, owner)) ?? {};
  const known = Object.keys(shape);
  const written = valueAt(root, owner);
  const free = known.filter((name) => !(isObject(written) && Object.hasOwn(written, name)));
  const meant = suggest(key, free) ?? suggest(key, known);
  return {
    code: "CONFIG_UNRECOGNIZED_KEY",
    path: [...owner, key],
    what: `unrecognized key ${quote(key)} in ${describePath(owner, true)}`,
    hint: meant && `did you mean "${meant}"?`,
    why: meant ? consequence([...owner, meant], shape[meant] as z.ZodType, valueAt(written, [key])) : `Known there: ${known.join(", ")}.`,
    next: andCheck(meant ? "rename the key" : "remove the key"),
  };
}

/** What ignoring a misspelt key would have done. */
function consequence(path: Path, schema: z.ZodType, given: unknown): string {
  const absence = absenceOf(schema);
  const subject = `Ignoring it would leave ${describePath(path)}`;
  if (absence.kind === "required") return `${subject} without a value, and it has no default.`;
  if (absence.kind === "optional") return `${subject} unset.`;
  const shape = shapeOf(schema);
  if (!shape || !isObject(given))
    return `${subject} at its default, ${describeLiteral(absence.value)}${given === undefined ? "" : ` instead of ${quote(given)}`}.`;
  const differing = Object.entries(shape).flatMap(([name, type]) => {
    const own = absenceOf(type);
    const instead = valueAt(given, [name]);
    if (instead === undefined || own.kind === "required") return [];
    return [`${name} ${own.kind === "default" ? describeLiteral(own.value) : "unset"} instead of ${quote(instead)}`];
  });
  return differing.length ? `${subject} at its default: ${differing.join(", ")}.` : `${subject} at its default.`;
}

function missing(path: Path, root: unknown): Problem {
  const key = path.at(-1) as string;
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
  const meant = typeof value === "string" ? suggest(value, literals) : undefined;
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
  return options.flatMap((option) => literalsOf(shapeOf(option)?.[path.at(-1) as string] as z.ZodType));
}

const NOUNS: Record<string, string> = { services: "service", resources: "resource", environments: "environment" };

/** `["services", "web", "health", "path"]` → `"health.path" of service "web"`. As an owner of keys the root is "the app". */
function describePath(path: Path, asOwner = false): string {
  const [section, name, ...rest] = path;
  const noun = NOUNS[section as string];
  if (noun && name !== undefined) return `${rest.length ? `"${dotted(rest)}" of ` : ""}${noun} ${quote(name)}`;
  if (section === "routes" && typeof name === "number") return `${rest.length ? `"${dotted(rest)}" of ` : ""}route ${name + 1}`;
  return path.length === 0 && asOwner ? "the app" : `"${dotted(path)}"`;
}

const dotted = (path: Path) => path.map((step, index) => (typeof step === "number" ? `[${step}]` : `${index ? "." : ""}${step}`)).join("");

const QUOTED_MAX = 60;

/** A value in one short line. A password in a URL is left out. */
function quote(value: unknown): string {
  if (typeof value === "string") {
    const open = value.replace(/(:\/\/[^\s:@/]*:)[^\s@/]*@/g, "$1***@");
    return JSON.stringify(open.length > QUOTED_MAX ? `${open.slice(0, QUOTED_MAX)}…` : open);
  }
  if (Array.isArray(value)) return "a list";
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "bigint" ? `${value}n` : String(value);
}

const startsWith = (path: Path, start: Path) => start.every((step, index) => path[index] === step);
const overlap = (one: Path, other: Path) => startsWith(one, other) || startsWith(other, one);

/** A misspelt key leaves the right one missing; that is one slip, and is told once. */
function withoutShadows(problems: Problem[]): Problem[] {
  const misspelt = problems.filter(({ code, hint }) => code === "CONFIG_UNRECOGNIZED_KEY" && hint);
  return problems.filter(({ code, path, what }) => {
    if (code !== "CONFIG_MISSING_KEY") return true;
    return !misspelt.some((other) => samePath(other.path.slice(0, -1), path) && what.startsWith(`missing key "${other.hint?.split('"')[1]}"`));
  });
}

const samePath = (one: Path, other: Path) => one.length === other.length && startsWith(one, other);

/** How often taking out what is wrong may bring up something else. */
const ROUNDS_MAX = 5;

/** The app without what is wrong in it, so that the rest can still be checked for conflicts. */
function repaired(value: unknown, problems: Problem[]): App | undefined {
  let rest = problems.map(({ path }) => path).reduce(without, withName(value));
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const result = appSchema.safeParse(rest);
    if (result.success) return result.data;
    const wrong = result.error.issues.map(({ path }) => path as Path);
    rest = wrong.map((path) => (isMissing(path, rest) ? path.slice(0, -1) : path)).reduce(without, rest);
  }
  return undefined;
}

/** No rule reads the name. */
const withName = (value: unknown) => ({ ...(value as object), name: "app" });

/** A route keeps its number when it is taken out; of other lists nothing is left. */
function without(value: unknown, path: Path): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value))
    return rest.length || typeof value[step as number] === "object" ? value.map((item, index) => (index === step ? {} : item)) : undefined;
  if (!Object.hasOwn(value, step)) return value;
  const inner = rest.length ? without((value as Record<string, unknown>)[step], rest) : undefined;
  const { [step]: _, ...others } = value as Record<string, unknown>;
  return inner === undefined ? others : { ...others, [step]: inner };
}
