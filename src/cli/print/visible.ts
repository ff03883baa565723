// Others' words (subjects of commits, logs, what programs print) on a terminal: it must obey nothing in them. Colours are let through, and end with
// their line; all else that a terminal would act on is shown instead of done.

const COLOR = /(\u001b\[[0-9;:]*m)/;
/** What ends all colours, and what our own paint ends its colours with. */
const COLOR_END = /^\u001b\[(?:0*|39|49|2[2-9])m$/;
/** Control characters but tab and newline, and those that turn the direction of writing. */
const ACTING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** As it is shown: ESC is `^[`, as `cat -v` has it. */
export const visible = (text: string): string => text.replaceAll("\r\n", "\n").replace(ACTING, nameOf);

export const forTerminal = (text: string, { color }: { color: boolean }): string =>
  text
    .replaceAll("\r\n", "\n")
    .split("\n")
    .map((line) => lineForTerminal(line, color))
    .join("\n");

function lineForTerminal(line: string, color: boolean): string {
  const parts = line.split(COLOR);
  const shown = parts.flatMap((part, place) => (place % 2 === 0 ? visible(part) : color ? part : [])).join("");
  const last = parts.at(-2);
  return color && last !== undefined && !COLOR_END.test(last) ? `${shown}\u001b[0m` : shown;
}

function nameOf(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`;
  return code === 0x7f ? "^?" : `\\u${code.toString(16).padStart(4, "0")}`;
}
