// The script that makes a machine's image: once for each recipe, the same text each time, and the same machine however often it runs.
import type { App } from "../config/schema.ts";
import { cleanName } from "../release/recipe.ts";
import { needsProxy } from "../targets/aws/routes.ts";
import { PROGRAMS, programText, SOURCED, UNITS } from "./programs.ts";
import { quote, writeFile } from "./shell.ts";

const LIB = "/usr/local/lib/landfall";
/** What our programs call. */
const PACKAGES = ["awscli", "ca-certificates", "curl", "gzip", "iproute2", "jq", "openssl", "python3", "tar", "util-linux"];
const CLIENTS = { postgres: "postgresql-client", mysql: "default-mysql-client" } as const;

/**
 * Bash for a Debian 13, run as root from a folder that holds the recipe's files in `files/`. `LANDFALL_REGION` says where AWS's own
 * packages come from. A step that fails ends it, with the step's name in the file that `LANDFALL_STEP_FILE` names.
 */
export function bakeScript(app: App): string {
  const lines = [
    "#!/bin/bash",
    "# The image of an app, made on Debian 13 by root. Running it again gives the same machine.",
    programText("bake.sh").trimEnd(),
    "",
    `step "packages" install_packages ${packagesOf(app).join(" ")}`,
    'step "users" make_users',
    'step "folders" make_folders',
    'step "agent of Session Manager" install_agent',
    ...(hasDatabase(app) ? ['step "certificates of databases" install_certificates'] : []),
    'step "programs" write_programs',
    'step "units" write_units',
    `step "the recipe's files" copy_files ${app.recipe.files.map((file) => quote(cleanName(file))).join(" ")}`.trimEnd(),
    ...app.recipe.steps.map((step) => `step ${quote(step)} run_as_app ${quote(step)}`),
    'step "sealing the image" seal_image',
    'step "cleaning" clean',
  ];
  const filled: Record<string, string[]> = { "@PROGRAMS@": programLines(), "@UNITS@": unitLines() };
  return `${lines.join("\n").replace(/^@[A-Z]+@$/gm, (place) => filled[place]?.join("\n") ?? place)}\n`;
}

const hasDatabase = (app: App): boolean => Object.values(app.resources).some(({ type }) => type in CLIENTS);

function packagesOf(app: App): string[] {
  const clients = Object.values(app.resources).flatMap(({ type }) => (type in CLIENTS ? [CLIENTS[type as keyof typeof CLIENTS]] : []));
  return [...new Set([...PACKAGES, ...(needsProxy(app) ? ["nginx"] : []), ...clients, ...app.recipe.packages])].sort();
}

const programLines = (): string[] => [
  ...PROGRAMS.flatMap(({ file, name }) => writeFile(`${LIB}/${name}`, "755", programText(file))),
  ...SOURCED.flatMap((file) => writeFile(`${LIB}/${file}`, "644", programText(file))),
  ...writeFile(`${LIB}/scram-verifier`, "755", programText("scram-verifier.py")),
  ...writeFile(`${LIB}/proxy.conf`, "644", programText("proxy.conf")),
];

const unitLines = (): string[] => [
  ...UNITS.flatMap((unit) => writeFile(`/etc/systemd/system/${unit}`, "644", programText(unit))),
  ...writeFile("/etc/systemd/journald.conf.d/landfall.conf", "644", programText("journald.conf")),
];
