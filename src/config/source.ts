// Where something stands in the text of landfall.config.ts. Reads the syntax tree only; nothing is evaluated here.
import { parseSync } from "oxc-parser";
import type { SourcePlace } from "../error.ts";
import type { Path } from "./words.ts";

/** A node of the syntax tree, in the shape of ESTree; offsets count UTF-16 units of the text. */
interface Node {
  type: string;
  start: number;
  end: number;
  [property: string]: unknown;
}

interface Span {
  start: number;
  end: number;
}

export interface Source {
  file: string;
  text: string;
  program: Node;
  /** The first thing the parser could not read. */
  syntaxError?: { message: string; help?: string; span: Span };
}

/** Never throws: what could not be parsed is in `syntaxError`. */
export function parseSource(text: string, file: string): Source {
  const { program, errors } = parseSync(file, text, { preserveParens: false });
  const [first] = errors.filter(({ severity }) => severity === "Error");
  const label = first?.labels[0];
  const end = text.length;
  const syntaxError = first && { message: first.message, help: first.helpMessage ?? undefined, span: label ?? { start: end, end } };
  return { file, text, program: program as unknown as Node, syntaxError };
}

/** What is underlined: the name of a key, or the value beside it. */
export type Aim = "key" | "value";

/**
 * The place of a path of the exported app. Follows constants, `as const` and `satisfies`.
 * When the path is not written out in this file, the place of the nearest key around it; at last the export itself.
 */
export function placeOf(source: Source, path: Path, aim: Aim): SourcePlace {
  const app = exportedApp(source.program);
  if (!app) return placeAt(source, { start: 0, end: 0 });
  let found: Node = app.named;
  let value: Node | undefined = app.value;
  for (const [depth, step] of path.entries()) {
    const member: Member | undefined = value && memberOf(source.program, value, step);
    if (!member) break;
    const isLast = depth === path.length - 1;
    value = resolve(source.program, member.value);
    found = isLast && aim === "value" ? member.value : member.key;
  }
  return placeAt(source, found);
}

/** Where the file imports `specifier`, if it does. */
export function placeOfImport(source: Source, mentions: (specifier: string) => boolean): SourcePlace | undefined {
  const imports = bodyOf(source.program).map((statement) => statement.source as Node | undefined);
  const found = imports.find((node) => typeof node?.value === "string" && mentions(node.value));
  return found && placeAt(source, found);
}

/** A span as line, column and the text of its first line. */
export function placeAt({ file, text }: Pick<Source, "file" | "text">, span: Span): SourcePlace {
  const start = Math.min(span.start, text.length);
  const before = text.slice(0, start);
  const lineStart = Math.max(before.lastIndexOf("\n"), before.lastIndexOf("\r")) + 1;
  const rest = text.slice(lineStart).search(/\r|\n/);
  const lineEnd = rest === -1 ? text.length : lineStart + rest;
  return {
    file,
    line: before.split(/\r\n|\r|\n/).length,
    column: start - lineStart + 1,
    text: text.slice(lineStart, lineEnd),
    length: Math.max(1, Math.min(span.end, lineEnd) - start),
  };
}

const bodyOf = (program: Node) => program.body as Node[];

/** The expression that is exported, and the node to underline when the app as a whole is meant. */
function exportedApp(program: Node): { named: Node; value: Node } | undefined {
  const statement = bodyOf(program).find((node) => exportedExpression(node) !== undefined);
  const exported = statement && exportedExpression(statement);
  if (!exported) return undefined;
  const value = resolve(program, exported);
  const call = value.type === "CallExpression" ? value : undefined;
  const argument = (call?.arguments as Node[] | undefined)?.[0];
  const keyword = { ...statement, end: statement.start + "export default".length };
  return {
    named: (call?.callee as Node | undefined) ?? (exported.type === "ObjectExpression" ? keyword : exported),
    value: argument ? resolve(program, argument) : value,
  };
}

function exportedExpression(statement: Node): Node | undefined {
  if (statement.type === "ExportDefaultDeclaration") return statement.declaration as Node;
  if (statement.type === "ExportNamedDeclaration") {
    const specifiers = (statement.specifiers as Node[]).filter(({ exported }) => nameOf(exported as Node) === "default");
    return specifiers[0]?.local as Node | undefined;
  }
  const expression = statement.expression as Node | undefined;
  const left = expression?.type === "AssignmentExpression" ? (expression.left as Node) : undefined;
  const isModuleExports =
    left?.type === "MemberExpression" && nameOf(left.object as Node) === "module" && nameOf(left.property as Node) === "exports";
  return isModuleExports ? (expression?.right as Node) : undefined;
}

const nameOf = (node: Node): string | undefined =>
  node.type === "Identifier" ? (node.name as string) : node.type === "Literal" ? String(node.value) : undefined;

/** Constants may name each other in a circle that the program would not survive; the tree is read all the same. */
const STEPS_MAX = 50;

/** The literal behind type annotations, constants and members of constants. */
function resolve(program: Node, node: Node, steps = 0): Node {
  if (steps > STEPS_MAX) return node;
  if (["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression", "TSTypeAssertion", "ParenthesizedExpression"].includes(node.type)) {
    return resolve(program, node.expression as Node, steps + 1);
  }
  if (node.type === "Identifier") {
    const constant = initialValue(program, node.name as string);
    return constant ? resolve(program, constant, steps + 1) : node;
  }
  if (node.type === "MemberExpression") {
    const step = node.computed ? nameOf(node.property as Node) : ((node.property as Node).name as string);
    const object = resolve(program, node.object as Node, steps + 1);
    const member = step === undefined ? undefined : memberOf(program, object, step, steps + 1);
    return member ? resolve(program, member.value, steps + 1) : node;
  }
  return node;
}

function initialValue(program: Node, name: string): Node | undefined {
  const declarations = bodyOf(program)
    .map((statement) => (statement.type === "ExportNamedDeclaration" ? (statement.declaration as Node | null) : statement))
    .filter((statement) => statement?.type === "VariableDeclaration")
    .flatMap((statement) => statement?.declarations as Node[]);
  return declarations.find(({ id }) => nameOf(id as Node) === name)?.init as Node | undefined;
}

interface Member {
  key: Node;
  value: Node;
}

/** The last one of that name counts, as it does when the program runs. */
function memberOf(program: Node, node: Node, step: string | number, steps = 0): Member | undefined {
  if (steps > STEPS_MAX) return undefined;
  if (node.type === "ArrayExpression") {
    const elements = node.elements as (Node | null)[];
    const spread = elements.some((element) => element?.type === "SpreadElement");
    const element = spread ? undefined : elements[Number(step)];
    return element ? { key: element, value: element } : undefined;
  }
  if (node.type !== "ObjectExpression") return undefined;
  for (const property of (node.properties as Node[]).toReversed()) {
    if (property.type === "SpreadElement") {
      const spread = memberOf(program, resolve(program, property.argument as Node, steps + 1), step, steps + 1);
      if (spread) return spread;
    } else if (propertyName(property) === String(step)) {
      return { key: property.key as Node, value: property.value as Node };
    }
  }
  return undefined;
}

function propertyName(property: Node): string | undefined {
  const key = property.key as Node;
  return property.computed && key.type !== "Literal" ? undefined : nameOf(key);
}
