// Prepares a release before anything moves: source, image, release.
import { present } from "../../../error.ts";
import { during } from "../../../progress.ts";
import { makeRelease, type Release } from "../../../release/release.ts";
import { loadSource, type Source } from "../../../release/source.ts";
import { phaseService } from "../../../routing/placement.ts";
import type { Journal } from "../../../state/journal.ts";
import { passesOverModes } from "../../../system/obeying-modes.ts";
import { announceSource } from "../../announce-source.ts";
import { assertSecretsSet } from "../../preconditions.ts";
import type { DeployOptions } from "../../target.ts";
import type { Context } from "../context.ts";
import { openSecrets } from "../data/secret-store.ts";
import { loadRecord } from "../record.ts";
import { secretsGiven } from "./given-secrets.ts";
import { ensureImage, type Image } from "./images.ts";
import { ensureRelease, findRelease, listReleases } from "./release-store.ts";
import { holdShared } from "./shared.ts";

export interface Prepared {
  release: Release;
  imageMade: boolean;
}

const WRITABLE =
  "this user may write where files are read-only, which could not be prevented here: what the app writes into its own folder changes the release, and is gone with the next one";

/** Makes the image and the release if they are not there. Changes nothing that serves. */
export async function prepareRelease(context: Context, journal: Journal, options: DeployOptions): Promise<Prepared> {
  const record = loadRecord(context);
  const secrets = openSecrets(context.paths);
  assertSecretsSet(context.deployment, context.deployment.environment, secrets.has);
  const source = await loadSource({ folder: context.folder, ref: options.ref, dirty: options.dirty ?? false });
  await announceSource(context.emit, source);
  const release = await nameRelease(context, source, record.release);
  context.emit({ type: "note", text: `release ${release.id}: ${release.description}` });
  if (passesOverModes()) context.emit({ type: "warning", text: WRITABLE });
  await holdShared(context, journal, { release: release.id, processes: release.processes, image: release.recipeHash });
  // It may have been removed a moment before it was held.
  if (!findRelease(context.paths, release.processes)) release.processes = release.id;
  const image = await journal.perform(`make image ${release.recipeHash}`, () => prepareImage(context, release, source));
  await during(context.emit, "release", "packing the release", async () => {
    const { made, release: sealed } = await journal.perform(`make release ${release.id}`, () =>
      ensureRelease({
        paths: context.paths,
        release,
        source,
        image,
        environment: { ...record.variables.env, ...release.services[phaseService(release)]?.environment },
        emit: (line) => context.emit({ type: "output", step: "release", line }),
      }),
    );
    release.processes = sealed.processes;
    return made ? `release ${release.id} packed` : `release ${release.id} is there already`;
  });
  await journal.perform(`keep the secrets of release ${release.id}`, () => secrets.seal(release.processes, secretsGiven(record, release)));
  journal.learn({ release: release.id });
  return { release, imageMade: image.made };
}

/** What the source would be released as: with the processes of the release that serves, or of another that is there, where they are the same. */
export function nameRelease({ deployment, paths }: Context, source: Source, serving: string | undefined): Promise<Release> {
  const isServing = ({ id }: Release) => id === serving;
  const releases = listReleases(paths).sort((a, b) => Number(isServing(b)) - Number(isServing(a)));
  return makeRelease({ deployment, source, known: releases, secretsRevision: openSecrets(paths).revision() });
}

async function prepareImage(context: Context, release: Release, source: Source) {
  const { recipe } = context.deployment;
  const hash = release.recipeHash.slice(0, 10);
  let image: Image | undefined;
  await during(context.emit, "image", `image ${hash}`, async () => {
    image = await ensureImage({
      paths: context.paths,
      recipe,
      hash: release.recipeHash,
      source,
      emit: (line) => context.emit({ type: "output", step: "image", line }),
      signal: context.signal,
    });
    return image.made ? `image ${hash} made` : `image ${hash} is there already`;
  });
  return present(image, "image");
}
