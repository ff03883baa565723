// A release as the artifact bucket has it: an object beside its archive.
import type { ReleaseArtifact } from "../../../machine/index.ts";
import type { Release } from "../../../release/release.ts";
import { releaseUnknown } from "../../preconditions.ts";
import type { ObjectStore } from "../account/objects.ts";
import { loadRecord } from "../record.ts";
import type { ContainerImages, ReleaseContext } from "./driver.ts";
import type { Recipe } from "./image.ts";

/** A release that any machine with the right to can start. */
export interface StoredRelease {
  release: Release;
  artifact: ReleaseArtifact;
  /** Of an app without a service on machines there is none. */
  recipe?: Recipe;
  containers: ContainerImages;
}

export const storedKey = (id: string): string => `releases/${id}/release.json`;

export async function findStored(objects: ObjectStore, id: string): Promise<StoredRelease | undefined> {
  const text = /^[0-9a-f]+$/.test(id) ? await objects.find(storedKey(id)) : undefined;
  return text === undefined ? undefined : (JSON.parse(text) as StoredRelease);
}

/** Errors: RELEASE_UNKNOWN. */
export async function loadStored({ deployment, driver: { objects } }: ReleaseContext, id: string): Promise<StoredRelease> {
  const stored = await findStored(objects, id);
  if (stored) return stored;
  const { rolledOut } = await loadRecord(objects, deployment.environment);
  throw releaseUnknown(id, "in this app's bucket", rolledOut.toReversed());
}
