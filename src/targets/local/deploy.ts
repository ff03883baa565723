// What a deploy does before anything moves: source, image, release.
import { during } from "../../progress.ts";
import { makeRelease, type Release } from "../../release/release.ts";
import { loadSource, type Source } from "../../release/source.ts";
import type { Journal } from "../../state/journal.ts";
import { refuseMissingSecrets } from "../refusals.ts";
import type { DeployOptions } from "../target.ts";
import { type Context, loadRecord } from "./context.ts";
import { ensureImage } from "./images.ts";
import { ensureRelease } from "./releases.ts";
import { openSecrets } from "./secrets.ts";

export interface Prepared {
  release: Release;
  imageMade: boolean;
}

/** Makes the image and the release if they are not there. Changes nothing that serves. */
export async function prepareRelease(context: Context, journal: Journal, options: DeployOptions): Promise<Prepared> {
  const record = loadRecord(context);
  const secrets = openSecrets(context.places);
  refuseMissingSecrets(context.app.app.services, context.app.name, secrets.has);
  const source = await loadSource({ folder: context.folder, ref: options.ref, dirty: options.dirty ?? false });
  const release = await makeRelease({ app: context.app, source, secretsRevision: secrets.revision() });
  context.emit({ type: "note", text: `release ${release.id}: ${release.description}` });
  const image = await journal.perform(`make image ${release.recipeHash}`, () => prepareImage(context, release, source));
  await during(context.emit, "release", "packing the release", async () => {
    const { made } = await journal.perform(`make release ${release.id}`, () =>
      ensureRelease({
        places: context.places,
        release,
        source,
        imageFolder: image.folder,
        recipeFiles: context.app.app.recipe.files,
        environment: { PATH: process.env.PATH ?? "/usr/bin:/bin", ...record.variables.env },
        emit: (line) => context.emit({ type: "output", step: "release", line }),
      }),
    );
    return made ? `release ${release.id} packed` : `release ${release.id} is there already`;
  });
  journal.learn({ release: release.id });
  return { release, imageMade: image.made };
}

async function prepareImage(context: Context, release: Release, source: Source) {
  const { recipe } = context.app.app;
  const hash = release.recipeHash.slice(0, 10);
  let image = { folder: "", made: false };
  await during(context.emit, "image", `image ${hash}`, async () => {
    image = await ensureImage({
      places: context.places,
      recipe,
      hash: release.recipeHash,
      source,
      emit: (line) => context.emit({ type: "output", step: "image", line }),
      signal: context.signal,
    });
    return image.made ? `image ${hash} made` : `image ${hash} is there already`;
  });
  return image;
}
