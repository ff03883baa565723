// The folder that keeps what Landfall knows on this machine.
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { LandfallError } from "../error.ts";

/**
 * LANDFALL_HOME, else /var/lib/landfall for root (Postgres' own user must reach it), else the XDG state folder. Always absolute:
 * processes with other working folders are told of it.
 */
export function findHome(env: NodeJS.ProcessEnv = process.env): string {
  const home = homeOf(env);
  // What stands in a shell's double quotes for more than itself: Postgres' own programs make such lines of their paths.
  const odd = /["\\$`]|\p{Cc}/u.exec(home)?.[0];
  if (odd !== undefined)
    throw unusable(home, `Its name has ${JSON.stringify(odd)} in it, which programs that are told of it take for something else.`);
  if (statSync(home, { throwIfNoEntry: false })?.isDirectory() === false) throw unusable(home, "It is no folder.");
  return home;
}

function homeOf(env: NodeJS.ProcessEnv): string {
  if (env.LANDFALL_HOME) return resolve(env.LANDFALL_HOME);
  if (process.getuid?.() === 0) return "/var/lib/landfall";
  // The XDG specification has relative paths passed over.
  const state = env.XDG_STATE_HOME && isAbsolute(env.XDG_STATE_HOME) ? env.XDG_STATE_HOME : join(homeOfUser(), ".local", "state");
  return join(state, "landfall");
}

const unusable = (home: string, why: string) =>
  new LandfallError({
    code: "STATE_UNWRITABLE",
    what: `the state cannot be kept in "${home}"`,
    where: home,
    why,
    standing: "Nothing was changed.",
    next: "set LANDFALL_HOME to another folder",
  });

/** By whoever runs this: then it is theirs, and stays when nothing is in it any more. */
export const isHomeNamed = (): boolean => Boolean(process.env.LANDFALL_HOME);

function homeOfUser(): string {
  try {
    return homedir();
  } catch (cause) {
    throw new LandfallError({
      code: "STATE_UNWRITABLE",
      what: `the user ${process.getuid?.()} has no home folder to keep the state in`,
      why: "HOME is not set, and the system knows no such user.",
      standing: "Nothing was changed.",
      next: "set LANDFALL_HOME to a folder of this user",
      cause,
    });
  }
}

/** Holds a folder for each app; gone when none stands. */
export const appsFolder = (home: string): string => join(home, "apps");

/** What can be made again at any time; removed with the last app. */
export const cacheFolder = (home: string): string => join(home, "cache");
