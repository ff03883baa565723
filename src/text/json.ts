// JSON of ASCII alone. Pure.

/** What `JSON.stringify` gives, with each character beyond ASCII as `\uXXXX`: the same value to whoever parses it. */
export const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
