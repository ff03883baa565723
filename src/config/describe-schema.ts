// Reads the schema and puts it into words: what a key takes, what it is when it is left out, which keys there are.
// Error messages, the reference page and the tests all ask here, so that each fact stands in schema.ts alone.
import type { z } from "zod";
import { present } from "../error.ts";

export type Path = readonly (string | number)[];

/** The parts of a zod type that are read here. */
interface Definition {
  type: string;
  format?: string;
  innerType?: z.ZodType;
  in?: z.ZodType;
  element?: z.ZodType;
  keyType?: z.ZodType;
  valueType?: z.ZodType;
  options?: z.ZodType[];
  discriminator?: string;
  shape?: Record<string, z.ZodType>;
  entries?: Record<string, string>;
  values?: unknown[];
  defaultValue?: unknown;
  checks?: { _zod: { def: { check: string; value?: number; inclusive?: boolean; minimum?: number; error?: () => unknown } } }[];
  error?: (issue: unknown) => unknown;
}

export const definitionOf = (schema: z.ZodType): Definition => schema._zod.def as unknown as Definition;

/** The type without its default, its optionality and its conversion. */
export function bareType(schema: z.ZodType): z.ZodType {
  const definition = definitionOf(schema);
  const inner = definition.innerType ?? definition.in;
  return inner ? bareType(inner) : schema;
}

/** What stands when a key is left out: `value` as a user would write it, nothing for an optional key. */
export type Absence = { kind: "required" } | { kind: "optional" } | { kind: "default"; value: unknown };

export function absenceOf(schema: z.ZodType): Absence {
  const definition = definitionOf(schema);
  if (definition.type === "default" || definition.type === "prefault") return { kind: "default", value: definition.defaultValue };
  if (definition.type === "optional") return { kind: "optional" };
  return definition.in ? absenceOf(definition.in) : { kind: "required" };
}

/** The keys of an object type; for a union, those of the option that `value` chooses. */
export function shapeOf(schema: z.ZodType, value?: unknown): Record<string, z.ZodType> | undefined {
  const definition = definitionOf(bareType(schema));
  if (definition.shape) return definition.shape;
  const shapes = (definition.options ?? []).map((option) => shapeOf(option)).filter((shape) => shape !== undefined);
  const { discriminator } = definition;
  if (!discriminator) return shapes[0];
  const chosen: unknown = typeof value === "object" && value !== null ? Reflect.get(value, discriminator) : undefined;
  return shapes.find((shape) => definitionOf(chooserIn(shape, discriminator)).values?.includes(chosen));
}

const chooserIn = (shape: Record<string, z.ZodType> | undefined, discriminator: string): z.ZodType =>
  present(shape?.[discriminator], `key "${discriminator}" in each option`);

/** What the key that chooses between the options of a union is in this one. */
export const chooserOf = (option: z.ZodType, discriminator: string): unknown[] => literalsOf(chooserIn(shapeOf(option), discriminator));

/** The type at `path`, where `value` is what stands at the root. Undefined when the path leaves the schema. */
export function schemaAt(root: z.ZodType, path: Path, value: unknown): z.ZodType | undefined {
  let schema: z.ZodType | undefined = root;
  let here = value;
  for (const step of path) {
    if (!schema) return undefined;
    const definition = definitionOf(bareType(schema));
    const shape = shapeOf(schema, here);
    schema = definition.valueType ?? definition.element ?? (shape && Object.hasOwn(shape, step) ? shape[step] : undefined);
    here = stepInto(here, step);
  }
  return schema;
}

/** What stands at a path of a value that may be anything at all. */
export const valueAt = (value: unknown, path: Path): unknown => path.reduce(stepInto, value);

function stepInto(value: unknown, step: string | number): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, step) ? Reflect.get(value, step) : undefined;
}

/** `["a", "b", "c"]` → `a, b or c`. */
export function listWords(words: readonly string[], last = "or"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

/** The literal values that a type takes: those of an enum, of a literal, of the options of a union. */
export function literalsOf(schema: z.ZodType): unknown[] {
  const definition = definitionOf(bareType(schema));
  if (definition.entries) return Object.values(definition.entries);
  if (definition.type === "literal") return definition.values ?? [];
  return (definition.options ?? []).flatMap(literalsOf);
}

/** What a type takes, as the object of "required is …": `a whole number from 1 to 65535`. */
export function describeType(schema: z.ZodType): string {
  const bare = bareType(schema);
  const definition = definitionOf(bare);
  const phrase = ownWords(definition);
  if (phrase) return phrase;
  switch (definition.type) {
    case "number":
      return describeNumber(definition);
    case "boolean":
      return "true or false";
    case "string":
      return definition.checks?.length ? "a text that is not empty" : "a text";
    case "enum":
    case "literal":
      return listWords(literalsOf(bare).map((value) => JSON.stringify(value)));
    case "array":
      return describeList(definition);
    case "record":
      return describeRecord(definition);
    case "object":
      return `an object with ${listWords(
        Object.keys(definition.shape ?? {}).map((name) => `\`${name}\``),
        "and",
      )}`;
    default:
      return describeUnion(definition);
  }
}

function describeList({ element }: Definition): string {
  const type = present(element, "type of the items");
  return definitionOf(bareType(type)).type === "object" ? "a list of objects" : `a list; each item is ${describeType(type)}`;
}

function describeRecord({ valueType }: Definition): string {
  const value = definitionOf(bareType(present(valueType, "type of the values"))).type;
  return value === "string" ? "an object whose values are texts" : "an object with an entry for each name";
}

function describeUnion({ options = [], discriminator }: Definition): string {
  if (!discriminator) return options.map(describeType).join(", or ");
  const types = options.flatMap((option) => chooserOf(option, discriminator));
  return `an object whose \`${discriminator}\` is ${listWords(types.map((value) => JSON.stringify(value)))}`;
}

/** The words that schema.ts itself gives to a type or to one of its rules. */
function ownWords(definition: Definition): string | undefined {
  if (definition.type === "number") return undefined;
  const errors = [...(definition.checks ?? []).map((check) => check._zod.def.error), definition.error];
  const words = errors.map((error) => error?.({})).find((text) => typeof text === "string");
  return words;
}

function describeNumber({ format, checks = [] }: Definition): string {
  const number = format === "safeint" ? "a whole number" : "a number";
  const bound = (kind: string) => checks.find((check) => check._zod.def.check === kind)?._zod.def.value;
  const [from, to] = [bound("greater_than"), bound("less_than")];
  if (from === undefined) return number;
  return to === undefined ? `${number} from ${from} up` : `${number} from ${from} to ${to}`;
}

/** A value as a user would write it. */
export function describeLiteral(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(describeLiteral).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? String(value);
  const entries = Object.entries(value).map(([name, own]) => `${name}: ${describeLiteral(own)}`);
  return entries.length ? `{ ${entries.join(", ")} }` : "{}";
}

export interface KeyEntry {
  /** `services.<name>.health.path`, `routes[].deny`, `resources.<name>.memory`. */
  path: string;
  /** For keys that only one kind of resource has: `cache`. */
  only?: string;
  type: string;
  absence: Absence;
  about?: string;
  example?: string;
}

/** Every key below a type, parents before children, in the order of schema.ts. */
export function keysOf(schema: z.ZodType, prefix = ""): KeyEntry[] {
  const definition = definitionOf(bareType(schema));
  if (definition.valueType)
    return keysOf(definition.valueType, `${prefix}.<${definitionOf(bareType(definition.valueType)).type === "string" ? "VARIABLE" : "name"}>`);
  if (definition.element) return keysOf(definition.element, `${prefix}[]`);
  if (definition.options)
    return definition.options.flatMap((option) => keysOf(option, prefix).map((entry) => ({ ...chosenBy(definition, option), ...entry })));
  return Object.entries(definition.shape ?? {}).flatMap(([name, type]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    return [entryOf(path, type), ...keysOf(type, path)];
  });
}

function chosenBy({ discriminator }: Definition, option: z.ZodType): { only?: string } {
  const literal = discriminator ? chooserOf(option, discriminator)[0] : undefined;
  return literal === undefined ? {} : { only: String(literal) };
}

function entryOf(path: string, type: z.ZodType): KeyEntry {
  const facts = factsOf(type);
  return { path, type: describeType(type), absence: absenceOf(type), about: facts?.about, example: facts?.example };
}

/** What schema.ts says of a key besides its type. */
export const factsOf = (type: z.ZodType) => type.meta();
