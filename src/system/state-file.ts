// Files that hold state: one JSON object each, with a sum over it, and a copy beside it. A disk that loses a part of one, or changes it, is noticed, and
// the copy is taken. Without either the error says what is lost with it and how to go on.
import { createHash } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { LandfallError } from "../error.ts";
import { loadText, removeAll, type WriteOptions, writeWhole } from "./files.ts";

export interface StateFile {
  file: string;
  /** `which release serves` */
  lost: string;
  /** How to go on without it. */
  next: string;
}

export const copyOf = (file: string): string => `${file}.copy`;

/** Replaces the file, then its copy. Throws when the disk refuses the file; without a copy it is as good, until it is damaged. */
export function writeState(file: string, value: object, options?: WriteOptions): void {
  const text = `${JSON.stringify({ ...value, sum: sumOf(value) }, null, 2)}\n`;
  writeWhole(file, text, options);
  try {
    writeWhole(copyOf(file), text, { flush: false });
  } catch {
    rmSync(copyOf(file), { force: true });
  }
}

/** Undefined when there is no such file. Throws STATE_DAMAGED when neither it nor its copy is as it was written. */
export function loadState<T extends object>(state: StateFile): T | undefined {
  const value = loadStateIfWhole<T>(state.file);
  if (value || !existsSync(state.file)) return value;
  throw stateDamaged(state);
}

/** For what can be made anew: undefined when it is not there, or damaged. */
export function loadStateIfWhole<T extends object>(file: string): T | undefined {
  const text = loadText(file);
  return text === undefined ? undefined : (parse<T>(text) ?? parse<T>(loadText(copyOf(file)) ?? ""));
}

/** The file last: what it says holds until it is gone. */
export function removeState(file: string): void {
  removeAll(copyOf(file));
  removeAll(file);
}

export const isDamaged = (error: unknown): boolean => error instanceof LandfallError && error.code === "STATE_DAMAGED";

function parse<T>(text: string): T | undefined {
  try {
    const { sum, ...value } = JSON.parse(text);
    return sum === sumOf(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const sumOf = (value: object): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");

export const stateDamaged = ({ file, lost, next }: StateFile): LandfallError =>
  new LandfallError({
    code: "STATE_DAMAGED",
    what: `the file "${file}" is damaged, and so is its copy`,
    where: file,
    why: `They are not as Landfall wrote them. With them is lost ${lost}.`,
    standing: "Nothing was changed. What runs goes on running.",
    next,
  });
