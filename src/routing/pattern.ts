import { guardedPath } from "./paths.ts";

/** What the `path` of a route matches: this text, or all that begins with it. */
export interface PathPattern {
  text: string;
  isPrefix: boolean;
}

export function patternOf(path: string): PathPattern {
  const isPrefix = path.endsWith("*");
  return { text: isPrefix ? path.slice(0, -1) : path, isPrefix };
}

export const matchesPath = ({ text, isPrefix }: PathPattern, path: string): boolean => (isPrefix ? path.startsWith(text) : path === text);

/** For routes that deny or ask for a password: no other spelling of a path gets past them. `/admin/*` guards `/admin` as well. */
export function guardOf(path: string): (guarded: string) => boolean {
  const { text, isPrefix } = patternOf(path);
  const lower = text.toLowerCase();
  return isPrefix ? (guarded) => `${guarded}/`.startsWith(lower) : (guarded) => guarded === guardedPath(text);
}
