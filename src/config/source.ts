// Finds positions in the text of landfall.config.ts. Reads the syntax tree only; nothing is evaluated here.
import { type Directive, type Node, type ObjectProperty, type Program, parseSync, type Statement } from "oxc-parser";
import type { SourcePlace } from "../error.ts";
import type { Path } from "./describe-schema.ts";

/** Offsets count UTF-16 units of the text. */
interface Span {
  start: number;
  end: number;
}

export interface Source {
  file: string;
  text: string;
  /** The syntax tree, in the shape of ESTree. */
  program: Program;
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
  return { file, text, program, syntaxError };
}

/** What is underlined: the name of a key, or the value beside it. */
export type Aim = "key" | "value";

/**
 * The place of a path of the exported app. Follows constants, `as const` and `satisfies`.
 * When the path is not written out in this file, the place of the nearest key around it; at last the export itself.
 */
export function placeOf(source: Source, path: Path, aim: Aim): SourcePlace {
  const trail = { program: source.program, steps: 0 };
  const app = exportedApp(trail);
  if (!app) return placeAt(source, { start: 0, end: 0 });
  let node: Span = app.named;
  let value: Node | undefined = app.value;
  for (const [depth, step] of path.entries()) {
    const member: Member | undefined = value && memberOf(trail, value, step);
    if (!member) break;
    const isLast = depth === path.length - 1;
    value = resolve(trail, member.value);
    node = isLast && aim === "value" ? member.value : member.key;
  }
  return placeAt(source, node);
}

/** Where the file imports `specifier`, if it does. */
export function placeOfImport(source: Source, mentions: (specifier: string) => boolean): SourcePlace | undefined {
  const imports = source.program.body.flatMap((statement) => ("source" in statement && statement.source ? [statement.source] : []));
  const argument = imports.find(({ value }) => mentions(value));
  return argument && placeAt(source, argument);
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

/** The program, and how many constants and members of it were followed so far. */
interface Trail {
  program: Program;
  steps: number;
}

/** The expression that is exported, and the node to underline when the app as a whole is meant. */
function exportedApp(trail: Trail): { named: Span; value: Node } | undefined {
  const statement = trail.program.body.find((node) => exportedExpression(node) !== undefined);
  const exported = statement && exportedExpression(statement);
  if (!exported) return undefined;
  const value = resolve(trail, exported);
  const call = value.type === "CallExpression" ? value : undefined;
  const argument = call?.arguments[0];
  const keyword = { start: statement.start, end: statement.start + "export default".length };
  return {
    named: call?.callee ?? (exported.type === "ObjectExpression" ? keyword : exported),
    value: argument ? resolve(trail, argument) : value,
  };
}

function exportedExpression(statement: Directive | Statement): Node | undefined {
  if (statement.type === "ExportDefaultDeclaration") return statement.declaration;
  if (statement.type === "ExportNamedDeclaration") return statement.specifiers.find(({ exported }) => nameOf(exported) === "default")?.local;
  if (statement.type !== "ExpressionStatement" || statement.expression.type !== "AssignmentExpression") return undefined;
  const { left, right } = statement.expression;
  return left.type === "MemberExpression" && nameOf(left.object) === "module" && nameOf(left.property) === "exports" ? right : undefined;
}

const nameOf = (node: Node): string | undefined =>
  node.type === "Identifier" ? node.name : node.type === "Literal" ? String(node.value) : undefined;

/** Constants may name each other in a circle that the program would not survive; the tree is read all the same. */
const STEPS_MAX = 50;

const further = ({ program, steps }: Trail): Trail => ({ program, steps: steps + 1 });

/** The literal behind type annotations, constants and members of constants. */
function resolve(trail: Trail, node: Node): Node {
  if (trail.steps > STEPS_MAX) return node;
  switch (node.type) {
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
    case "ParenthesizedExpression":
      return resolve(further(trail), node.expression);
    case "Identifier": {
      const constant = initialValue(trail.program, node.name);
      return constant ? resolve(further(trail), constant) : node;
    }
    case "MemberExpression": {
      const step = node.computed ? nameOf(node.property) : node.property.name;
      const object = resolve(further(trail), node.object);
      const member = step === undefined ? undefined : memberOf(further(trail), object, step);
      return member ? resolve(further(trail), member.value) : node;
    }
    default:
      return node;
  }
}

function initialValue(program: Program, name: string): Node | undefined {
  const declarations = program.body
    .map((statement) => (statement.type === "ExportNamedDeclaration" ? statement.declaration : statement))
    .flatMap((statement) => (statement?.type === "VariableDeclaration" ? statement.declarations : []));
  return declarations.find(({ id }) => nameOf(id) === name)?.init ?? undefined;
}

interface Member {
  key: Node;
  value: Node;
}

/** The last one of that name counts, as it does when the program runs. */
function memberOf(trail: Trail, node: Node, step: string | number): Member | undefined {
  if (trail.steps > STEPS_MAX) return undefined;
  if (node.type === "ArrayExpression") {
    const spread = node.elements.some((element) => element?.type === "SpreadElement");
    const element = spread ? undefined : node.elements[Number(step)];
    return element ? { key: element, value: element } : undefined;
  }
  if (node.type !== "ObjectExpression") return undefined;
  for (const property of node.properties.toReversed()) {
    if (property.type === "SpreadElement") {
      const spread = memberOf(further(trail), resolve(further(trail), property.argument), step);
      if (spread) return spread;
    } else if (propertyName(property) === String(step)) {
      return { key: property.key, value: property.value };
    }
  }
  return undefined;
}

function propertyName({ key, computed }: ObjectProperty): string | undefined {
  return computed && key.type !== "Literal" ? undefined : nameOf(key);
}
