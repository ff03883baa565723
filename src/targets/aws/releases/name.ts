// Names the release of a source, for a deploy and for a plan of one.
import type { Deployment } from "../../../config/deployment.ts";
import { makeRelease, type Release } from "../../../release/release.ts";
import type { Source } from "../../../release/source.ts";
import { routesOnInstances } from "../../../routing/placement.ts";
import type { ObjectStore } from "../account/objects.ts";
import { findStored } from "./stored-release.ts";

interface Naming {
  deployment: Deployment;
  source: Source;
  secretsRevision: string;
  serving: Release | undefined;
}

/** With the processes of the release that serves, where they are the same. */
export const nameRelease = ({ serving, ...input }: Naming): Promise<Release> =>
  makeRelease({ ...input, reaching: routesOnInstances(input.deployment), known: serving ? [serving] : [] });

/** The record of the release that serves. */
export const findServing = async (objects: ObjectStore, id: string | undefined): Promise<Release | undefined> =>
  id === undefined ? undefined : (await findStored(objects, id))?.release;
