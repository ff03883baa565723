// A recipe's name is the hash of all that decides its image, so that a change of the code alone makes no new one.
import { createHash, type Hash } from "node:crypto";
import type { Recipe } from "../config/schema.ts";
import { LandfallError } from "../error.ts";
import { suggestions } from "../text/suggest.ts";
import type { Source } from "./source.ts";
import type { SourceFile } from "./source-file.ts";

const HASH_LENGTH = 16;

/** What decides an image; what else is said of images does not. */
export type RecipeContent = Omit<Recipe, "image">;

/**
 * The image's address: 16 hex digits over packages, steps and the bytes of the recipe's files. The order of packages
 * and files does not count, nor the machine, nor any other file. Throws RECIPE_FILE_MISSING naming every absent file.
 */
export async function recipeHash(recipe: RecipeContent, source: Source): Promise<string> {
  const hash = createHash("sha256").update("landfall recipe 1\n");
  hash.update(`${JSON.stringify({ packages: [...new Set(recipe.packages)].sort(), steps: recipe.steps })}\n`);
  for (const file of recipeFiles(recipe, source)) await hashFile(hash, file);
  return hash.digest("hex").slice(0, HASH_LENGTH);
}

/** The files of the source that the recipe names, in the source's order; a folder's name stands for all that is in it. */
export function recipeFiles(recipe: RecipeContent, source: Source): SourceFile[] {
  const names = recipe.files.map(cleanName);
  const missing = recipe.files.filter((name) => !source.files.some(({ path }) => isWithin(path, cleanName(name))));
  if (missing.length > 0) throw filesMissing(missing, source);
  return source.files.filter(({ path }) => names.some((name) => isWithin(path, name)));
}

/** `./frontend/` and `frontend` are the same name. */
export const cleanName = (name: string): string => name.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");

/** Adds a file in a form that no other list of files has: its length stands before its bytes. */
export function hashFile(hash: Hash, { path, mode, read }: SourceFile): Promise<void> {
  return read(async ({ size, pieces }) => {
    hash.update(`${JSON.stringify([path, mode, size])}\n`);
    for await (const piece of pieces) hash.update(piece);
  });
}

const isWithin = (path: string, name: string): boolean => path === name || path.startsWith(`${name}/`);

function filesMissing(missing: string[], source: Source): LandfallError {
  const paths = source.files.map(({ path }) => path);
  const near = [...new Set(missing.flatMap((name) => suggestions(cleanName(name), paths)))].slice(0, 3);
  const names = missing.map((name) => `"${name}"`).join(", ");
  return new LandfallError({
    code: "RECIPE_FILE_MISSING",
    what: `the recipe's ${missing.length === 1 ? `file ${names} is` : `files ${names} are`} not in the release`,
    where: `recipe.files in landfall.config.ts`,
    why: [`Looked in: ${source.description}.`, near.length ? `Names that come near: ${near.map((name) => `"${name}"`).join(", ")}.` : ""]
      .filter(Boolean)
      .join("\n"),
    standing: "Nothing was changed.",
    next: `git add ${missing.map(cleanName).join(" ")} && git commit   (or take the name out of recipe.files)`,
  });
}
