// Files of the app that its configuration names. They are looked for where the configuration stands; what a release holds is its source's to say.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type ErrorCode, LandfallError } from "../error.ts";
import type { App } from "./schema.ts";

/** Refuses a configuration that names files which are not in the app's folder. */
export function assertNamedFiles({ recipe, services }: App, folder: string): void {
  const named = [
    ...recipe.files.map((file) => ({ code: "RECIPE_FILE_MISSING" as const, key: "recipe.files", file })),
    ...Object.entries(services).flatMap(([name, { container }]) =>
      container?.dockerfile === undefined
        ? []
        : [{ code: "CONTAINER_FILE_MISSING" as const, key: `services.${name}.container.dockerfile`, file: container.dockerfile }],
    ),
  ];
  const [first, ...more] = named.filter(({ file }) => !existsSync(join(folder, file))).map((missing) => namedFileMissing(missing, folder));
  if (first) throw new LandfallError(first.parts, more);
}

const namedFileMissing = ({ code, key, file }: { code: ErrorCode; key: string; file: string }, folder: string) =>
  new LandfallError({
    code,
    what: `there is no file "${file}", which the key "${key}" names`,
    where: join(folder, file),
    standing: "Nothing was changed.",
    next: `put it there and commit it, or correct "${key}" in landfall.config.ts`,
  });
