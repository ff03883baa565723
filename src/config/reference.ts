// The reference pages, from the same table that validates. scripts/docs.mjs writes them to docs/.
import { ERROR_CODES } from "../error.ts";
import { type Absence, describeLiteral, type KeyEntry, keysOf } from "./describe-schema.ts";
import { appSchema } from "./schema.ts";

const GENERATED = "<!-- Written by `node scripts/docs.mjs` from the source; changes belong there. -->";

/** docs/configuration.md: every key with its type, its default and what it is for. */
export function describeConfiguration(): string {
  const keys = keysOf(appSchema);
  const sections = keys.filter(({ path }) => !/[.[<]/.test(path));
  const intro = [
    "# landfall.config.ts",
    GENERATED,
    "The file exports what `defineApp` is given:",
    '```ts\nimport { defineApp } from "landfall";\n\nexport default defineApp({\n  name: "guestbook",\n  services: {\n    web: { command: "node server.js", port: 3000 },\n  },\n});\n```',
    "A key that Landfall does not know is an error, and so is a value of another type. Durations and sizes are written with their units. `<name>` and `<VARIABLE>` stand for names of your choice, `[]` for each item of a list.",
  ];
  const pages = sections.map((section) =>
    sectionText(
      section,
      keys.filter(({ path }) => isBelow(path, section.path)),
    ),
  );
  return `${[...intro, ...pages].join("\n\n")}\n`;
}

const isBelow = (path: string, section: string) => path.startsWith(`${section}.`) || path.startsWith(`${section}[`);

function sectionText(section: KeyEntry, keys: KeyEntry[]): string {
  return [
    `## \`${section.path}\``,
    ...(keys.length ? [`${section.about} ${absenceText(section.absence)}`] : [entryText(section)]),
    ...keys.map((key) => `### \`${key.path}\`${key.only ? ` (${key.only})` : ""}\n\n${entryText(key)}`),
  ].join("\n\n");
}

function entryText({ type, absence, about, example }: KeyEntry): string {
  return [about, `Takes ${type}. ${absenceText(absence)}${example ? ` Example: \`${example}\`.` : ""}`].join("\n\n");
}

function absenceText(absence: Absence): string {
  if (absence.kind === "required") return "Required.";
  return absence.kind === "optional" ? "Optional." : `Default: \`${describeLiteral(absence.value)}\`.`;
}

/** docs/errors.md: every code, the exit status that comes with it, and what it means. */
export function describeErrorCodes(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, { exit, about }]) => `| \`${code}\` | ${exit} | ${about} |`);
  return [
    "# Errors",
    GENERATED,
    "Each error says what failed, where, why, what stands afterwards and what to do next. The code is printed at the end of its first line, and is part of the output of `--json`.",
    "Exit statuses: 0 done, 1 failed, 2 wrong use or configuration, 3 refused, 130 interrupted.",
    ["| code | exit | meaning |", "|---|---|---|", ...rows].join("\n"),
  ]
    .join("\n\n")
    .concat("\n");
}
