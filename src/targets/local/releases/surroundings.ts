// What a command of the app finds around it, whichever it is: where its programs are, and its home.
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Release } from "../../../release/release.ts";
import type { Paths } from "../paths.ts";

/** Where dependencies have their programs, in a release's folder. */
const PROGRAMS = [".venv/bin", "node_modules/.bin"];

export const folderOf = ({ releases }: Paths, { processes }: Pick<Release, "processes">): string => join(releases, processes);

/** The programs of its dependencies come before the machine's. */
export const pathOf = (folder: string): string =>
  [...PROGRAMS.map((name) => join(folder, name)), process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin"].join(":");

export function ensureHome({ homes }: Paths, service: string): string {
  const home = join(homes, service);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return home;
}

/** Where the programs of version managers, which are on the PATH, look for the versions that they stand for: at home, unless they are told. */
const VERSION_MANAGERS: Record<string, string> = {
  ASDF_DATA_DIR: ".asdf",
  COREPACK_HOME: ".cache/node/corepack",
  MISE_CONFIG_DIR: ".config/mise",
  MISE_DATA_DIR: ".local/share/mise",
  PYENV_ROOT: ".pyenv",
  RBENV_ROOT: ".rbenv",
  RUSTUP_HOME: ".rustup",
  VOLTA_HOME: ".volta",
};

/** The home is the app's own, so that it leaves nothing in that of whoever deployed it, and finds nothing there that is missing elsewhere. */
export function homeVariables(home: string): Record<string, string> {
  const places = Object.entries(VERSION_MANAGERS).map(([name, folder]): [string, string] => [name, process.env[name] ?? join(homedir(), folder)]);
  return { HOME: home, ...Object.fromEntries(places.filter(([, place]) => existsSync(place))) };
}
