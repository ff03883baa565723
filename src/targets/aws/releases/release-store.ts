// Releases in the artifact bucket: an archive each, and a record beside it, written last, that says that it is whole.
import { defaultService } from "../../../config/deployment.ts";
import { LandfallError } from "../../../error.ts";
import { bootScript, type ReleaseArtifact } from "../../../machine/index.ts";
import { during } from "../../../progress.ts";
import type { Source } from "../../../release/source.ts";
import { phaseService, proxyOf } from "../../../routing/placement.ts";
import { explainUnreached } from "../../../text/unreached.ts";
import { resourceVariables } from "../resources/index.ts";
import type { Fleet, Rules } from "../templates/shared/running.ts";
import { architectureOf, onMachines, servicesOf } from "./architecture.ts";
import type { MachineImage, ReleaseContext } from "./driver.ts";
import { type Images, packWhole } from "./image.ts";
import { runOneOffTask } from "./one-off-task.ts";
import { findStored, type StoredRelease, storedKey } from "./stored-release.ts";

const BUILD_MS_MAX = 60 * 60_000;

interface ReleaseInput extends Omit<StoredRelease, "artifact"> {
  source: Source;
  images: Images;
}

/** Packs the source, builds it on a machine of the image where there are build steps, and records it; nothing when it is there. Errors: BUILD_STEP_FAILED. */
export async function ensureRelease(context: ReleaseContext, { source, images, ...input }: ReleaseInput): Promise<StoredRelease> {
  const { objects } = context.driver;
  const { id, processes, release } = input.release;
  const earlier = await findStored(objects, id);
  if (earlier) {
    context.emit({ type: "unchanged", step: "release", text: `release ${id} is there already` });
    return earlier;
  }
  // Another has the files already, and instances that began with it go on.
  const shared = processes === id ? undefined : await findStored(objects, processes);
  if (shared) {
    const stored = { ...shared, release: input.release };
    await objects.put(storedKey(id), JSON.stringify(stored));
    context.emit({ type: "note", text: `release ${id} has other rules than ${processes}, and the same processes` });
    return stored;
  }
  const stored: StoredRelease = { ...input, release: { ...input.release, processes: id }, artifact: { id, key: "", sha256: "" } };
  await during(context.emit, "release", `packing release ${id}`, async () => {
    const { bytes, sha256 } = await packWhole(source);
    const archive = { id, key: `releases/${id}/${sha256}.tar.gz`, sha256 };
    if (!(await objects.has(archive.key))) await objects.put(archive.key, bytes);
    // In a container image the steps have run already.
    stored.artifact = release.build.length === 0 || !input.recipe ? archive : await build(context, archive, { steps: release.build, images });
    await objects.put(storedKey(id), JSON.stringify(stored));
    return `release ${id} packed`;
  });
  return stored;
}

/** On the kind of machine that it will run on: what is built may hold programs. */
function build(context: ReleaseContext, archive: ReleaseArtifact, { steps, images }: { steps: string[]; images: Images }): Promise<ReleaseArtifact> {
  const { id } = archive;
  const architecture = architectureOf(Object.values(onMachines(context.deployment))[0]?.machine.types[0] as string);
  return runOneOffTask(
    context,
    {
      work: { kind: "build", archive, release: id, steps, variables: plainVariables(context) },
      about: id,
      step: "release",
      timeoutMs: BUILD_MS_MAX,
      architecture,
      image: images[architecture],
    },
    async ({ ok, step = "", code = 1, tail, sha256 = "" }) => {
      if (!ok) throw buildFailed(step, code, tail);
      return { id, key: `releases/${id}/${sha256}.tar.gz`, sha256 };
    },
  );
}

/** Those of the service whose release phases these are, and what resources give that is no secret. */
function plainVariables({ deployment, driver }: ReleaseContext): Record<string, string> {
  const given = resourceVariables(deployment, (...output) => driver.outputs.get("data", ...output));
  const plain = given.flatMap(({ name, from }) => ("plain" in from ? [[name, from.plain]] : []));
  return { ...Object.fromEntries(plain), ...deployment.services[phaseService(deployment)]?.environment };
}

const buildFailed = (step: string, code: number, tail: string[]) =>
  new LandfallError({
    code: "BUILD_STEP_FAILED",
    what: `the build step "${step}" ended with status ${code}`,
    where: "release.build in landfall.config.ts",
    evidence: tail.slice(-12).map((line, index): [string, string] => [index === 0 ? "last lines" : "", line]),
    standing: "The release was not kept, and its machine is terminated. The live release is not affected.",
    ...explainUnreached(tail),
  });

/** What the instances of each service are started with, and how others deal with them: the release's own, whatever is configured by now. */
export function fleetsOf(
  { deployment: today }: ReleaseContext,
  { release, artifact, containers }: StoredRelease,
  images: Images,
): Record<string, Fleet> {
  const deployment = { ...today, services: servicesOf(today, release), routes: release.routes };
  return Object.fromEntries(
    Object.entries(deployment.services).map(([service, settings]) => {
      const proxy = proxyOf(deployment, service);
      const own = { release: release.processes, settings, ...(proxy ? { proxy } : {}) };
      const image = containers[service];
      if (image !== undefined) return [service, { ...own, image, script: "" }];
      const { id, gib } = images[architectureOf(settings.machine.types[0] as string)] as MachineImage;
      return [service, { ...own, image: id, imageGib: gib, script: bootScript({ deployment, service, release: artifact }) }];
    }),
  );
}

/** What the balancer goes by while the release serves; undefined without a web service. */
export function rulesOf({ release: { id, routes, services } }: StoredRelease): Rules | undefined {
  const first = defaultService(services);
  return first === undefined ? undefined : { release: id, routes, defaultService: first };
}
