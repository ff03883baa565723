// Most configurations are plain: JavaScript that imports nothing but `landfall` and ends with its default export. Of these a function is made
// here, in a millisecond. All others go to the module loader, whose compiler takes longer to load and to run than all else that a command does.
import { Script } from "node:vm";
import { isMainThread } from "node:worker_threads";
import type { ImportDeclaration, ImportDeclarationSpecifier } from "oxc-parser";
import { isSelfContained } from "./cache.ts";
import type { Source } from "./source.ts";

const EXPORT = "export default ";

/** Where what `landfall` exports is given to the text. */
const GIVEN = "landfall: given to the configuration";

/**
 * Gives the default export when it is called with what `landfall` exports, or throws at its time-out and at Ctrl-C. Lines and columns are those of the
 * text. Undefined when it is not plain.
 */
export function asFunction({ file, text, program }: Source, timeoutMs: number): ((landfall: object) => unknown) | undefined {
  const end = program.body.at(-1);
  if (end?.type !== "ExportDefaultDeclaration" || !text.startsWith(EXPORT, end.start) || !isSelfContained(text)) return undefined;
  if (!isJavaScript(program) || /^(Function|Class)/.test(end.declaration.type)) return undefined;
  const others = program.body.slice(0, -1);
  const imports = others.filter((statement) => statement.type === "ImportDeclaration");
  if (others.some(({ type }) => type.startsWith("Export")) || !imports.every(isOfNames)) return undefined;
  let body = replace(text, { start: end.start, end: end.start + EXPORT.length }, "return");
  for (const declaration of imports.reverse()) body = replace(body, declaration, `const{${declaration.specifiers.map(bindingOf).join()}}=$landfall;`);
  const head = '(function($landfall){"use strict";';
  const script = new Script(`${head}${body}\n})(globalThis[${JSON.stringify(GIVEN)}])`, { filename: file, columnOffset: -head.length });
  return (landfall) => {
    Object.defineProperty(globalThis, GIVEN, { value: landfall, configurable: true });
    try {
      // Without a limit only a kill would end it: nothing else is heard in this thread meanwhile.
      return script.runInThisContext({ timeout: timeoutMs, breakOnSigint: isMainThread });
    } finally {
      Reflect.deleteProperty(globalThis, GIVEN);
    }
  };
}

/** TypeScript's own syntax may also read as JavaScript, with another meaning: `f<T>(x)` compares. */
function isJavaScript(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  if ("type" in value && typeof value.type === "string" && value.type.startsWith("TS")) return false;
  if ("importKind" in value && value.importKind === "type") return false;
  return Object.values(value).every(isJavaScript);
}

const isOfNames = ({ specifiers }: ImportDeclaration) => specifiers.every((specifier) => bindingOf(specifier) !== undefined);

/** `imported:local`, for an import by a name that is an identifier. */
const bindingOf = (specifier: ImportDeclarationSpecifier): string | undefined =>
  specifier.type === "ImportSpecifier" && "name" in specifier.imported ? `${specifier.imported.name}:${specifier.local.name}` : undefined;

/** As long as what it replaces, and with its lines, as far as there is room. */
function replace(text: string, { start, end }: { start: number; end: number }, by: string): string {
  const lines = text.slice(start, end).split("\n").length - 1;
  return text.slice(0, start) + by.padEnd(end - start - lines) + "\n".repeat(lines) + text.slice(end);
}
