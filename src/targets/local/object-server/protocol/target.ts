// What a request is of. URL is no help here: to it "//" begins a host, and "a/../b" is "b", while both are names of objects.
import { ServiceError } from "./service-error.ts";

export interface Target {
  /** Decoded; begins with a slash. */
  path: string;
  query: URLSearchParams;
}

export function parseTarget(text: string): Target {
  const at = text.indexOf("?");
  const [path, query] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  try {
    return { path: decodeURIComponent(path), query: new URLSearchParams(query) };
  } catch {
    throw new ServiceError("InvalidURI", "Couldn't parse the specified URI.", 400);
  }
}
