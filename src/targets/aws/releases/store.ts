// Releases in the artifact bucket: an archive each, and a record beside it, written last, that says that it is whole.
import type { Service } from "../../../config/schema.ts";
import { LandfallError } from "../../../error.ts";
import { bootScript, errandScript, type ReleaseArtifact } from "../../../machine/index.ts";
import { during } from "../../../progress.ts";
import type { Release } from "../../../release/release.ts";
import type { Source } from "../../../release/source.ts";
import type { Context } from "../context.ts";
import { type Fleet, taskFactsOf } from "../stacks/running.ts";
import type { ContainerImages } from "./containers.ts";
import { runErrand } from "./errand.ts";
import { builderType, type Images, packWhole, type Recipe } from "./image.ts";
import { findObject, hasObject, putObject } from "./objects.ts";
import { architectureOf, builderMachine, onMachines, type Site } from "./site.ts";

/** A release that any machine with the right to can start. */
export interface StoredRelease {
  release: Release;
  artifact: ReleaseArtifact;
  /** Of an app without a service on machines there is none. */
  recipe?: Recipe;
  containers: ContainerImages;
}

const BUILD_MINUTES_MAX = 60;
const recordKey = (id: string) => `releases/${id}/release.json`;

/** Errors: RELEASE_UNKNOWN. */
export async function loadStored(context: Context, bucket: string, id: string): Promise<StoredRelease> {
  const text = /^[0-9a-f]+$/.test(id) ? await findObject(context, bucket, recordKey(id)) : undefined;
  if (text !== undefined) return JSON.parse(text) as StoredRelease;
  throw new LandfallError({
    code: "RELEASE_UNKNOWN",
    what: `there is no release "${id}" in this app's bucket`,
    standing: "Nothing was changed.",
    next: `landfall events ${context.app.name}   shows what was deployed`,
  });
}

interface ReleaseInput {
  release: Release;
  source: Source;
  recipe?: Recipe;
  images: Images;
  containers: ContainerImages;
}

/** Packs the source, builds it on a machine of the image where there are build steps, and records it; nothing when it is there. Errors: BUILD_STEP_FAILED. */
export async function ensureRelease(
  context: Context,
  site: Site,
  { release, source, recipe, images, containers }: ReleaseInput,
): Promise<StoredRelease> {
  const { id } = release;
  const known = await findObject(context, site.bucket, recordKey(id));
  if (known !== undefined) {
    context.emit({ type: "unchanged", step: "release", text: `release ${id} is there already` });
    return JSON.parse(known) as StoredRelease;
  }
  const stored: StoredRelease = { release, recipe, containers, artifact: { id, key: "", sha256: "" } };
  await during(context.emit, "release", `packing release ${id}`, async () => {
    const { bytes, sha256 } = await packWhole(source);
    const key = `releases/${id}/${sha256}.tar.gz`;
    if (!(await hasObject(context, site.bucket, key))) await putObject(context, site.bucket, key, bytes);
    stored.artifact =
      // In a container image the steps have run already.
      release.release.build.length === 0 || !recipe ? { id, key, sha256 } : await build(context, site, { release, images, archive: { key, sha256 } });
    await putObject(context, site.bucket, recordKey(id), JSON.stringify(stored));
    return `release ${id} packed`;
  });
  return stored;
}

interface BuildInput {
  release: Release;
  images: Images;
  archive: { key: string; sha256: string };
}

/** On the kind of machine that it will run on: what is built may hold programs. */
async function build(context: Context, site: Site, { release, images, archive }: BuildInput): Promise<ReleaseArtifact> {
  const architecture = architectureOf(Object.values(onMachines(context.app.app))[0]?.machine.types[0] as string);
  const region = await (await context.clients.ec2()).config.region();
  return runErrand(
    context,
    {
      kind: "build",
      about: release.id,
      step: "release",
      bucket: site.bucket,
      machine: builderMachine(context, site, images[architecture] as string, builderType(architecture)),
      script: (id) =>
        errandScript({
          kind: "build",
          id,
          bucket: site.bucket,
          region,
          minutesMax: BUILD_MINUTES_MAX,
          archive,
          release: release.id,
          steps: release.release.build,
        }),
      timeoutMs: BUILD_MINUTES_MAX * 60_000,
      tags: {},
    },
    async ({ ok, step = "", code = 1, tail, sha256 = "" }) => {
      if (!ok) throw buildFailed(step, code, tail);
      return { id: release.id, key: `releases/${release.id}/${sha256}.tar.gz`, sha256 };
    },
  );
}

const buildFailed = (step: string, code: number, tail: string[]) =>
  new LandfallError({
    code: "BUILD_STEP_FAILED",
    what: `the build step "${step}" ended with status ${code}`,
    where: "release.build in landfall.config.ts",
    evidence: tail.slice(-12).map((line, index): [string, string] => [index === 0 ? "last lines" : "", line]),
    standing: "The release was not kept, and its machine is terminated. What serves goes on serving.",
  });

/** What the instances of each service are started with. Services are the release's own; how many run is today's. */
export function fleetsOf(context: Context, { release, artifact, containers }: StoredRelease, images: Images): Record<string, Fleet> {
  const app = { ...context.app, app: { ...context.app.app, services: release.services } };
  const services = Object.keys(release.services).filter((service) => context.app.app.services[service]);
  return Object.fromEntries(
    services.map((service) => {
      const image = containers[service];
      const settings = release.services[service] as Service;
      // Machine or container is today's to say; where the two differ, its stack refuses it.
      if (image !== undefined) return [service, { release: release.id, image, script: "", task: taskFactsOf(settings) }];
      const architecture = architectureOf(context.app.app.services[service]?.machine.types[0] as string);
      return [service, { release: release.id, image: images[architecture] as string, script: bootScript({ app, service, release: artifact }) }];
    }),
  );
}
