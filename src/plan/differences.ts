// The differences between two values of JSON, leaf by leaf.
import { hidePasswords } from "../text/mask.ts";

export interface Difference {
  /** Names on the way to it, joined by dots: `LaunchTemplateData.InstanceType`. */
  property: string;
  /** As text; absent when it was not there. */
  before?: string;
  /** As text; absent when it is not there any more. */
  after?: string;
  /** When the value itself is the same: why it is different all the same. */
  because?: string;
}

const TEXT_MAX = 80;

/**
 * Every leaf that is different, in the order of the first value's keys and then of the second's. Lists of `{ Key, Value }` are compared
 * by key, other lists place by place; a list of another length is one difference. Long values are cut for people.
 *
 * @example findDifferences({ a: 1, b: { c: "x" } }, { a: 2, b: { c: "x" } }) // [{ property: "a", before: "1", after: "2" }]
 */
export function findDifferences(before: unknown, after: unknown, path: string[] = []): Difference[] {
  const [first, second] = [entriesOf(before), entriesOf(after)];
  if (!first || !second || (Array.isArray(before) && Array.isArray(after) && before.length !== after.length && !first.keyed)) {
    return same(before, after) ? [] : [{ property: path.join("."), ...texts(before, after) }];
  }
  const names = [...new Set([...first.values.keys(), ...second.values.keys()])];
  return names.flatMap((name) => findDifferences(first.values.get(name), second.values.get(name), first.hidden ? path : [...path, name]));
}

interface Entries {
  values: Map<string, unknown>;
  /** By keys that the elements of a list have, not by their places. */
  keyed: boolean;
  /** Places in a list say nothing to a reader. */
  hidden: boolean;
}

/** The parts of a value that has any; of a plain value, and of what a template computes, nothing. */
function entriesOf(value: unknown): Entries | undefined {
  if (typeof value !== "object" || value === null || isComputed(value)) return undefined;
  if (!Array.isArray(value)) return { values: new Map(Object.entries(value)), keyed: false, hidden: false };
  const keys = value.map((element) => (element as { Key?: unknown } | null)?.Key);
  const keyed = value.length > 0 && keys.every((key) => typeof key === "string") && new Set(keys).size === keys.length;
  if (keyed) return { values: new Map(value.map((element) => [String(element.Key), element.Value ?? element])), keyed, hidden: false };
  return { values: new Map(value.map((element, index) => [String(index), element])), keyed, hidden: true };
}

/** `{ Ref: … }`, `{ "Fn::Join": … }`: one value, however deep it is written. */
const isComputed = (value: object): boolean => {
  const [first, ...others] = Object.keys(value);
  return others.length === 0 && first !== undefined && (first === "Ref" || first.startsWith("Fn::"));
};

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

function texts(before: unknown, after: unknown): Pick<Difference, "before" | "after"> {
  return {
    ...(before === undefined ? {} : { before: textOf(before) }),
    ...(after === undefined ? {} : { after: textOf(after) }),
  };
}

function textOf(value: unknown): string {
  // Before it is cut: of half a URL nobody could tell where its password is.
  const text = hidePasswords(typeof value === "string" ? value : JSON.stringify(value));
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;
}

/** `LaunchTemplateData.InstanceType` → `instance type`; `DBInstanceClass` → `DB instance class`. */
export function wordsOf(property: string): string {
  const last = property.replace(/^.*\./s, "");
  return last
    .replace(/([a-z\d])([A-Z])/g, "$1 $2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
    .split(" ")
    .map((word) => (/^[A-Z]{2}/.test(word) ? word : word.toLowerCase()))
    .join(" ");
}
