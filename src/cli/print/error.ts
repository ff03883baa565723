// A LandfallError as text. The five parts are made where the failure is known; here they only get their layout.
import { relative } from "node:path";
import { stripVTControlCharacters, styleText } from "node:util";
import type { ErrorParts, LandfallError, SourcePlace } from "../../error.ts";
import { visible } from "./visible.ts";

export interface ErrorTextOptions {
  /** With ANSI colours. Default: without. */
  color?: boolean;
  /** Files below this folder are printed relative to it. Default: the working folder. */
  cwd?: string;
}

/** The codes end here, unless the first line is longer than that. */
const CODE_ENDS_AT = 94;
/** Source lines are cut around the underlined place. */
const SOURCE_WIDTH_MAX = 120;

type Paint = (style: "error" | "dim" | "mark", text: string) => string;

/**
 * The whole error as text for a terminal, without a line break at its end: the problem and its code, where it is, why,
 * what stands, what to do; then each further problem.
 */
export function describeError(error: LandfallError, options: ErrorTextOptions = {}): string {
  const paint = painter(options.color ?? false);
  const cwd = options.cwd ?? process.cwd();
  const count = error.more.length;
  const counted = count === 0 ? "" : `(${count} more ${count === 1 ? "problem is" : "problems are"} listed below)`;
  const first = describeParts(error.parts, { paint, cwd, standing: true, counted });
  const others = error.more.map(({ parts }) => describeParts(parts, { paint, cwd, standing: parts.standing !== error.parts.standing, counted: "" }));
  return [first, ...others].join("\n\n");
}

interface Layout {
  paint: Paint;
  cwd: string;
  /** Further problems say what stands only where it differs from the first one's words. */
  standing: boolean;
  counted: string;
}

function describeParts(parts: ErrorParts, { paint, cwd, standing, counted }: Layout): string {
  const blocks = [placeLines(parts.where, cwd, paint), rowLines(parts.evidence ?? [])];
  const next = [parts.next && `Next: ${oneLine(parts.next)}`, counted].filter(Boolean).join("   ");
  const last = [...(parts.why ? clean(parts.why).split("\n") : []), ...(standing ? clean(parts.standing).split("\n") : []), ...(next ? [next] : [])];
  const indented = [...blocks, last].filter((lines) => lines.length > 0).map((lines) => lines.map((line) => `  ${line}`.trimEnd()).join("\n"));
  return [headLine(parts, paint), ...indented].join("\n\n");
}

function headLine({ what, code }: ErrorParts, paint: Paint): string {
  const text = oneLine(what);
  const gap = Math.max(2, CODE_ENDS_AT - "error: ".length - text.length - code.length);
  return `${paint("error", "error:")} ${text}${" ".repeat(gap)}${paint("dim", code)}`;
}

function placeLines(where: ErrorParts["where"], cwd: string, paint: Paint): string[] {
  if (where === undefined) return [];
  if (typeof where === "string") return [oneLine(shortFile(where, cwd))];
  const head = `${shortFile(where.file, cwd)}:${where.line}:${where.column}`;
  return where.text === undefined ? [head] : [head, ...sourceLines(where, paint)];
}

function sourceLines(place: SourcePlace, paint: Paint): string[] {
  const { text, indent, length } = cutAround(inPlace(place.text ?? ""), place);
  const number = String(place.line);
  const under = `${paint("mark", "^".repeat(length))}${place.hint ? ` ${oneLine(place.hint)}` : ""}`;
  return [`  ${number} | ${text}`, `  ${" ".repeat(number.length)} | ${indent}${under}`];
}

/** Tabs stay tabs before the underline, so that it stands below its word whatever their width. */
function cutAround(text: string, { column, length = 1 }: SourcePlace) {
  const from = text.length > SOURCE_WIDTH_MAX ? Math.max(0, Math.min(column - 1 - 40, text.length - SOURCE_WIDTH_MAX)) : 0;
  const shown = text.slice(from, from + SOURCE_WIDTH_MAX).trimEnd();
  const indent = shown.slice(0, column - 1 - from).replace(/[^\t]/g, " ");
  return { text: shown, indent, length: Math.max(1, Math.min(length, shown.length - indent.length)) };
}

function rowLines(rows: [string, string][]): string[] {
  const width = Math.max(0, ...rows.map(([label]) => label.length)) + 2;
  return rows.flatMap(([label, text]) =>
    clean(text)
      .split("\n")
      .map((line, index) => `${(index === 0 ? label : "").padEnd(width)}${line}`),
  );
}

/** Paths outside the folder keep their whole name; other texts (a URL, a process) are left alone. */
function shortFile(file: string, cwd: string): string {
  if (!file.startsWith("/")) return file;
  const near = relative(cwd, file);
  return near === "" || near.startsWith("..") ? file : near;
}

/** What others say may be coloured, or worse: an error shows their words alone. */
const clean = (text: string) => visible(stripVTControlCharacters(text));
/** Of a line of source every character keeps its column. */
const inPlace = (text: string) => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
const oneLine = (text: string) => clean(text).replace(/\s*\n\s*/g, " ");

const painter = (color: boolean): Paint => {
  const styles = { error: ["bold", "red"], dim: ["dim"], mark: ["red"] } as const;
  return (style, text) => (color ? styleText([...styles[style]], text, { validateStream: false }) : text);
};
