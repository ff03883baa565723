// What a recipe made becomes part of each release, as files of its own: tools write into their dependencies when they build, and many ask for
// the real path of what they load and refuse what lies outside of the app's folder. Blocks are shared where the file system can do that, and
// copied otherwise; never the files themselves, since whoever may change the mode of one could write into all.
import {
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  type Stats,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate as giveTurn } from "node:timers/promises";
import { LandfallError } from "../../../error.ts";
import { eachEntry } from "../../../system/files.ts";
import { makeReadOnly } from "./atomic-folder.ts";

interface Copying {
  image: { folder: string; record: { namesItself: readonly string[] } };
  release: string;
  /** The paths of what the image had before its steps ran: the release has them itself. */
  fromSource: ReadonlySet<string>;
}

/** So many files are copied until others of this process have their turn: signals, and the lease. */
const BETWEEN_TURNS = 200;
/** Nobody writes a longer text with the place of a program in it. */
const TEXT_BYTES_MAX = 8_000_000;

/**
 * Copies what the recipe made into a release that has its source already, and descends only into the folders that held files of the recipe.
 * Times stay, by which Python knows its compiled files. Throws IMAGE_ENTRY_CONFLICT.
 */
export async function copyImage(copying: Copying, below = ""): Promise<void> {
  const { image, release, fromSource } = copying;
  const shared = foldersOf(fromSource);
  for (const name of readdirSync(join(image.folder, below)).sort()) {
    const path = below + name;
    if (fromSource.has(path)) continue;
    if (shared.has(path)) {
      await copyImage(copying, `${path}/`);
      continue;
    }
    if (lstatSync(join(release, path), { throwIfNoEntry: false })) throw entryConflict(path);
    mkdirSync(dirname(join(release, path)), { recursive: true, mode: 0o755 });
    await copyEntries(copying, path);
  }
}

/** `a/b/c` is in `a` and in `a/b`. */
const foldersOf = (paths: Iterable<string>): Set<string> =>
  new Set([...paths].flatMap((path) => path.split("/").map((_, depth, parts) => parts.slice(0, depth).join("/"))));

async function copyEntries({ image, release }: Copying, top: string): Promise<void> {
  const move = { places: placesOf(image.folder), to: release };
  const texts = new Set(image.record.namesItself);
  const entries: [path: string, stat: Stats][] = [];
  eachEntry(join(image.folder, top), (file, stat) => entries.push([file.slice(image.folder.length + 1), stat]));
  for (const [index, [path, stat]] of entries.entries()) {
    copyEntry(join(image.folder, path), join(release, path), { stat, ...move, isText: texts.has(path) });
    if (index % BETWEEN_TURNS === 0) await giveTurn();
  }
}

interface Move {
  stat: Stats;
  /** The image's folder, in each of its spellings, and what it is now. */
  places: string[];
  to: string;
  isText: boolean;
}

function copyEntry(from: string, into: string, { stat, places, to, isText }: Move): void {
  const moved = (text: string) => places.reduce((result, place) => result.replaceAll(place, to), text);
  if (stat.isSymbolicLink()) symlinkSync(moved(readlinkSync(from)), into);
  else if (stat.isDirectory()) mkdirSync(into);
  else if (isText) writeFileSync(into, moved(readFileSync(from, "latin1")), "latin1");
  else if (stat.isFile()) copyFileSync(from, into, constants.COPYFILE_FICLONE);
  if (stat.isFile()) utimesSync(into, stat.atime, stat.mtime);
  if (stat.isFile() || stat.isDirectory()) chmodSync(into, stat.mode | 0o200);
}

/**
 * Ends the making of an image: nobody writes into it any more, not even by another name of the same file, as package managers link what they
 * have in their cache. Gives the files that hold the image's own path, as the programs of a Python venv do.
 */
export function sealImage(image: string): string[] {
  const places = placesOf(image);
  const namesItself: string[] = [];
  eachEntry(image, (file, stat) => {
    if (!stat.isFile()) return;
    if (stat.nlink > 1) separate(file, stat);
    if (stat.size <= TEXT_BYTES_MAX && isTextWith(readFileSync(file), places)) namesItself.push(file.slice(image.length + 1));
  });
  makeReadOnly(image);
  return namesItself;
}

const placesOf = (folder: string): string[] => [...new Set([realpathSync(folder), folder])];

const isTextWith = (bytes: Buffer, places: string[]): boolean => places.some((place) => bytes.includes(place)) && !bytes.includes(0);

function separate(file: string, stat: Stats): void {
  const own = `${file}.landfall-own`;
  copyFileSync(file, own, constants.COPYFILE_FICLONE);
  utimesSync(own, stat.atime, stat.mtime);
  renameSync(own, file);
}

function entryConflict(path: string): LandfallError {
  return new LandfallError({
    code: "IMAGE_ENTRY_CONFLICT",
    what: `"${path}" was made by the recipe's steps and is also in the release's source`,
    where: path,
    why: "Only one of them can stand there: either could break the app in the other's place.",
    standing: "The release was not kept. What runs goes on running.",
    next: `git rm -r --cached "${path}" and add "/${path}" to .gitignore; or, if the steps read it, add it to recipe.files`,
  });
}
