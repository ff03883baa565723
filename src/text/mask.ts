// The one rule for what of others' words must not be carried on: passwords in URLs, and values that are known to be secret. Pure.
import { asciiJson } from "./json.ts";

/** A text without what must not be in it. */
export type Hide = (text: string) => string;

const HIDDEN = "***";
/** Shorter values are in every text by chance. */
const LENGTH_MIN = 6;
/** So much of its beginning is enough to know a value that was cut off, as long lines of errors are. */
const HEAD_LENGTH = 16;

/** From the `://` on: to look for the scheme before it at every letter of a long text would take minutes. */
const URLS = /:\/\/([^\s"`<>]+)/g;
const ENDS_AS_HTTP = /(?<![a-z0-9+.-])https?$/i;
const PARAMETERS = /([?&](?:pass(?:word|wd)?|pwd|secret|token|api_?key)=)([^&#\s"'`<>]+)/gi;

/** Hides the password of every URL in the text. `keepLength`: each character becomes a star, so that columns stay right. */
export function hidePasswords(text: string, { keepLength = false } = {}): string {
  const hidden = (password: string) => (keepLength ? "*".repeat(password.length) : HIDDEN);
  return text
    .replace(URLS, (url: string, rest: string, at: number) => {
      const scheme = ENDS_AS_HTTP.test(text.slice(Math.max(0, at - "_https".length), at)) ? "http://" : "://";
      const [from, to] = findPassword(scheme, rest);
      return to > from ? `://${rest.slice(0, from)}${hidden(rest.slice(from, to))}${rest.slice(to)}` : url;
    })
    .replace(PARAMETERS, (_, name: string, value: string) => name + hidden(value));
}

/** Hides known secrets too, in every spelling that texts have, and also where only their beginning is left of them. */
export function makeHide(values: Iterable<string>): Hide {
  const words = [...values].flatMap(wordsOf).flatMap(({ text, isUrl }) => spellings(text).map((spelling) => ({ spelling, isUrl })));
  words.sort((a, b) => b.spelling.length - a.spelling.length);
  return (text) =>
    hidePasswords(words.reduce((rest, { spelling, isUrl }) => hideWord(rest, spelling, isUrl ? headOfUrl(spelling) : HEAD_LENGTH), text));
}

/** The beginning of a URL says only where it leads: addresses of the same server give nothing away. */
function headOfUrl(spelling: string): number {
  const origin = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(spelling)?.[0];
  return origin === undefined ? spelling.length : Math.min(spelling.length, origin.length + HEAD_LENGTH);
}

/** The same data with each of its texts gone through `hide`. */
export function hideIn<T>(data: T, hide: Hide): T;
export function hideIn(data: unknown, hide: Hide): unknown {
  if (typeof data === "string") return hide(data);
  if (Array.isArray(data)) return data.map((item) => hideIn(item, hide));
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, hideIn(value, hide)]));
}

/** Whether the text holds a secret, or the password of a secret URL, in any spelling. */
export const holdsSecret = (text: string, value: string): boolean => wordsOf(value).some((word) => holds(text, word.text));

export const holds = (text: string, value: string): boolean => spellings(value).some((spelling) => text.includes(spelling));

function hideWord(text: string, word: string, headLength: number): string {
  const head = word.slice(0, headLength);
  let rest = "";
  let from = 0;
  for (let at = text.indexOf(head); at !== -1; at = text.indexOf(head, from)) {
    rest += text.slice(from, at) + HIDDEN;
    from = at + head.length;
    while (from - at < word.length && text[from] === word[from - at]) from += 1;
  }
  return rest + text.slice(from);
}

interface Word {
  text: string;
  isUrl: boolean;
}

/** The value, each of its lines, since programs print and logs keep them one by one, and of a URL the password alone. */
function wordsOf(value: string): Word[] {
  const lines = [value, ...value.split(/\r?\n/)];
  const passwords = lines.flatMap(passwordsOf);
  const words = [...lines, ...passwords].map((text) => ({ text, isUrl: text.includes("://") }));
  return words.filter(({ text }) => text.trim().length >= LENGTH_MIN);
}

/** The password of a URL as it stands there; empty when there is none. */
export function passwordOf(url: string): string {
  const [, scheme = "", rest = ""] = /^\s*([a-z][a-z0-9+.-]*:\/\/)(.*)$/i.exec(url) ?? [];
  return rest.slice(...findPassword(scheme, rest));
}

/** As it stands, as it is meant, and as a strict reader writes it. */
function passwordsOf(text: string): string[] {
  const password = passwordOf(text);
  return [password, decode(password), URL.canParse(text) ? new URL(text).password : ""].filter(Boolean);
}

/**
 * From where to where it is in a URL without its scheme. The last `@` ends it, since people forget to encode those in it, and slashes;
 * that a path with an `@` is hidden too does no harm. Of http a user without a password is taken for one, as tokens stand there.
 */
function findPassword(scheme: string, rest: string): [from: number, to: number] {
  const authority = rest.split(/[/?#]/, 1)[0] ?? "";
  const isOpen = !authority.startsWith("[") && /^[^:]*:(?!\d*$)/.test(authority);
  const end = authority.includes("@") || isOpen ? rest.lastIndexOf("@") : -1;
  const colon = rest.slice(0, Math.max(end, 0)).indexOf(":");
  if (colon === -1) return [0, /^https?:/i.test(scheme) ? Math.max(end, 0) : 0];
  return [colon + 1, end];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** As it is, and as JSON, JavaScript, a shell, HTML, a URL and base64 write it. */
function spellings(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1);
  const ascii = asciiJson(value).slice(1, -1);
  const html = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
  const script = json.replaceAll('\\"', '"');
  const quoted = [script, script.replaceAll("'", "\\'"), value.replaceAll("'", "'\\''"), value.replaceAll("'", `'"'"'`)];
  return [...new Set([value, json, ascii, ...quoted, html, encodeURIComponent(Buffer.from(value).toString()), ...inBase64(value)])];
}

/** What of its base64 does not depend on what stands before and after it; there are three ways to begin. */
function inBase64(value: string): string[] {
  if (value.length < 8) return [];
  return [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(value)]);
    const whole = Math.floor((bytes.length * 8) / 6);
    const core = bytes.toString("base64").slice(Math.ceil((before * 8) / 6), whole);
    return [core, core.replaceAll("+", "-").replaceAll("/", "_")];
  });
}
