// The script that makes a machine's image: once for each recipe, the same text each time, and the same machine however often it runs.
import type { Deployment } from "../config/deployment.ts";
import { isDatabase, typeOf } from "../resources/index.ts";
import { needsProxy } from "../routing/placement.ts";
import { quote } from "../text/shell.ts";
import { PROGRAMS, programText, SOURCED, UNITS } from "./programs.ts";
import { writeFile } from "./shell.ts";

const LIB = "/usr/local/lib/landfall";
/** What our programs call, and what installs Debian's updates. */
const PACKAGES = [
  "awscli",
  "ca-certificates",
  "curl",
  "gzip",
  "iproute2",
  "jq",
  "openssl",
  "python3",
  "python3-botocore",
  "tar",
  "unattended-upgrades",
  "util-linux",
];
/** Said here, so that it does not hang on what an image of Debian has. An instance is never restarted for them: docs/decisions/0070-instances-take-debians-updates.md. */
const UPDATES = `APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Automatic-Reboot "false";
`;

/**
 * Bash for a Debian 13, run as root from a folder that holds the recipe's files in `files/`. `LANDFALL_REGION` says where AWS's own
 * packages come from. A step that fails ends it, with the step's name in the file that `LANDFALL_STEP_FILE` names.
 */
export function bakeScript(deployment: Deployment): string {
  const lines = [
    "#!/bin/bash",
    "# The image of an app, made on Debian 13 by root. Running it again gives the same machine.",
    programText("bake.sh").trimEnd(),
    "",
    `step "packages" install_packages ${packagesOf(deployment).join(" ")}`,
    'step "users" make_users',
    'step "folders" make_folders',
    'step "agent of Session Manager" install_agent',
    ...(hasDatabase(deployment) ? ['step "certificates of databases" install_certificates'] : []),
    'step "programs" write_programs',
    'step "units" write_units',
    'step "the recipe\'s files" copy_files',
    ...deployment.recipe.steps.map((step) => `step ${quote(step)} run_as_app ${quote(step)}`),
    'step "sealing the image" seal_image',
    'step "cleaning" clean',
  ];
  const filled: Record<string, string[]> = { "@PROGRAMS@": programLines(), "@UNITS@": unitLines() };
  return `${lines.join("\n").replace(/^@[A-Z]+@$/gm, (place) => filled[place]?.join("\n") ?? place)}\n`;
}

const hasDatabase = (deployment: Deployment): boolean => Object.values(deployment.resources).some(isDatabase);

function packagesOf(deployment: Deployment): string[] {
  const clients = Object.values(deployment.resources).flatMap((resource) => typeOf(resource).client ?? []);
  return [...new Set([...PACKAGES, ...(needsProxy(deployment) ? ["nginx"] : []), ...clients, ...deployment.recipe.packages])].sort();
}

const programLines = (): string[] => [
  ...PROGRAMS.flatMap(({ file, name }) => writeFile(`${LIB}/${name}`, "755", programText(file))),
  ...SOURCED.flatMap((file) => writeFile(`${LIB}/${file}`, "644", programText(file))),
  ...writeFile(`${LIB}/proxy.conf`, "644", programText("proxy.conf")),
];

const unitLines = (): string[] => [
  ...UNITS.flatMap((unit) => writeFile(`/etc/systemd/system/${unit}`, "644", programText(unit))),
  ...writeFile("/etc/systemd/journald.conf.d/landfall.conf", "644", programText("journald.conf")),
  ...writeFile("/etc/apt/apt.conf.d/90landfall", "644", UPDATES),
];
