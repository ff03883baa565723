// Keys that must not stand in a configuration, because it is committed with the app. Found by their own shape, in the text, comments and
// all, and in the values that it comes to. What is found is never repeated: the place is told, and not the line.
import { basename } from "node:path";
import { LandfallError, type SourcePlace } from "../error.ts";
import type { Path } from "./describe-schema.ts";
import { placeAt, placeOf, type Source } from "./source.ts";

interface Kind {
  pattern: RegExp;
  words: string;
  next: string;
}

const CREDENTIALS = "Landfall takes credentials as the AWS command line does, and instances have a role of their own.";
const SECRETS = 'A service gets such a thing as a secret: name it under "secrets", and give it with  landfall secrets set <env> NAME';

const KINDS: readonly Kind[] = [
  { pattern: /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/, words: "an access key of AWS", next: CREDENTIALS },
  { pattern: /secret_?access_?key["'`]?\s*[:=]\s*["'`]?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])/i, words: "a secret access key of AWS", next: CREDENTIALS },
  { pattern: /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/, words: "a private key", next: SECRETS },
];

/** Errors: CONFIG_HOLDS_KEY, with the first one. */
export function assertNoCredentials(source: Source, value: unknown): void {
  for (const kind of KINDS) {
    const inText = kind.pattern.exec(source.text);
    if (inText) throw holdsKey(source, kind, placeAt(source, { start: inText.index, end: inText.index }));
    const path = pathOf(value, { pattern: kind.pattern, seen: new Set() });
    if (path) throw holdsKey(source, kind, placeOf(source, path, "value"));
  }
}

interface Search {
  pattern: RegExp;
  /** What was looked at already. */
  seen: Set<unknown>;
}

/** Where a text of this kind is, at any depth. A value that contains itself is looked at once. */
function pathOf(value: unknown, { pattern, seen }: Search, key = ""): Path | undefined {
  if (typeof value === "string") return pattern.test(value) || pattern.test(`${key}=${value}`) ? [] : undefined;
  if (typeof value !== "object" || value === null || seen.has(value)) return undefined;
  seen.add(value);
  for (const [name, inner] of Object.entries(value)) {
    const rest = pathOf(inner, { pattern, seen }, name);
    if (rest) return [Array.isArray(value) ? Number(name) : name, ...rest];
  }
  return undefined;
}

const holdsKey = ({ file }: Source, { words, next }: Kind, { line, column }: SourcePlace) =>
  new LandfallError({
    code: "CONFIG_HOLDS_KEY",
    what: `"${basename(file)}" holds ${words}`,
    where: { file, line, column },
    why: `The file is committed with the app, and whoever reads it has the key. ${next}`,
    standing: "Nothing was changed.",
    next: "take it out, replace the key by a new one where it was made, then run  landfall check",
  });
