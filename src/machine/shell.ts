// Text for a shell.
import { quote } from "../text/shell.ts";

/** Lines that set variables. */
export const assignments = (values: Record<string, string | number | undefined>): string[] =>
  Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${quote(String(value))}`]));

/** Writes `text` to `file`, whatever is in it. The end mark is one that no line of the text is. */
export function writeFile(file: string, mode: string, text: string): string[] {
  let mark = "END_OF_FILE";
  while (text.split("\n").includes(mark)) mark += "_";
  return [`install -D -m ${mode} /dev/stdin ${quote(file)} <<'${mark}'`, text.replace(/\n$/, ""), mark];
}
