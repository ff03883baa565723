// Machine images: made once for each recipe and architecture by a machine that runs the bake script, and found again by their names.
import { createHash } from "node:crypto";
import type { Deployment } from "../../../config/deployment.ts";
import { LandfallError } from "../../../error.ts";
import { bakeScript, imageHash, type ReleaseArtifact } from "../../../machine/index.ts";
import { during } from "../../../progress.ts";
import { packSource } from "../../../release/pack.ts";
import { recipeFiles } from "../../../release/recipe.ts";
import type { Release } from "../../../release/release.ts";
import type { Source } from "../../../release/source.ts";
import { contentOf, type SourceFile } from "../../../release/source-file.ts";
import { explainUnreached } from "../../../text/unreached.ts";
import { type Architecture, architectureOf, onMachines, servicesOf } from "./architecture.ts";
import type { MachineImage, OneOffTask, ReleaseContext } from "./driver.ts";
import { endTask, runOneOffTask, taskName } from "./one-off-task.ts";

const BAKE_MS_MAX = 60 * 60_000;

/** What an image is made from, in the artifact bucket: it can be made again when its source is long gone. */
export interface Recipe {
  hash: string;
  key: string;
  sha256: string;
  /** Baked in as well. */
  release?: ReleaseArtifact;
}

/** Puts the bake script and the recipe's files into the bucket, unless they are there, or nothing runs on machines. Errors: RECIPE_FILE_MISSING. */
export async function ensureRecipe({ deployment, driver: { objects } }: ReleaseContext, source: Source): Promise<Recipe | undefined> {
  if (Object.keys(onMachines(deployment)).length === 0) return undefined;
  const hash = await imageHash(deployment, source);
  const bake: SourceFile = { path: "bake.sh", mode: 0o755, read: (use) => use(contentOf(Buffer.from(bakeScript(deployment)))) };
  const files = recipeFiles(deployment.recipe, source).map((file) => ({ ...file, path: `files/${file.path}` }));
  const { bytes, sha256 } = await packWhole({ ...source, files: [bake, ...files] });
  const key = `recipes/${hash}/${sha256}.tar.gz`;
  if (!(await objects.has(key))) await objects.put(key, bytes);
  return { hash, key, sha256 };
}

export async function packWhole(source: Source): Promise<{ bytes: Buffer; sha256: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of packSource(source)) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

export type Images = Partial<Record<Architecture, MachineImage>>;

interface EnsuredImages {
  images: Images;
  /** Whether one had to be made. */
  made: boolean;
}

/** An image for each architecture that the app's services run on. Errors: RECIPE_STEP_FAILED, TASK_LOST, AWS_*. */
export async function ensureImages(
  context: ReleaseContext,
  recipe: Recipe | undefined,
  services: Deployment["services"] = context.deployment.services,
): Promise<EnsuredImages> {
  if (!recipe) return { images: {}, made: false };
  const types = Object.values(onMachines({ services })).map(({ machine }) => machine.types[0] as string);
  const architectures = [...new Set(types.map(architectureOf))];
  const results = await Promise.all(
    architectures.map(async (architecture) => ({ architecture, ...(await ensureImage(context, recipe, architecture)) })),
  );
  return { images: Object.fromEntries(results.map(({ architecture, image }) => [architecture, image])), made: results.some(({ made }) => made) };
}

/** What instances of a release boot from: the images of its recipe, or ones that hold the release too. */
export async function ensureBootImages(
  context: ReleaseContext,
  { recipe, artifact, release }: { recipe?: Recipe; artifact: ReleaseArtifact; release: Release },
): Promise<EnsuredImages> {
  const services = servicesOf(context.deployment, release);
  if (!recipe || context.deployment.recipe.image === "recipe") return ensureImages(context, recipe, services);
  return ensureImages(context, { ...recipe, hash: `${recipe.hash}-${artifact.id}`, release: artifact }, services);
}

async function ensureImage(context: ReleaseContext, recipe: Recipe, architecture: Architecture): Promise<{ image: MachineImage; made: boolean }> {
  const { images } = context.driver;
  const text = describe(recipe, architecture);
  const task = bakeTask(recipe, architecture);
  const standing = await images.find({ hash: recipe.hash, architecture });
  // Its machine may have been left by a run that was killed, or refused, after the image was asked for.
  const endBuilder = () => endTask(context, taskName(task));
  if (standing?.ready) {
    await endBuilder();
    context.emit({ type: "unchanged", step: "image", text: `${text} is there already` });
    return { image: standing.image, made: false };
  }
  let image = standing?.image;
  await during(context.emit, text, text, async () => {
    image = await images.wait(image?.id ?? (await bake(context, recipe.hash, task)));
    await endBuilder();
    return `${text} made: ${image.id}`;
  });
  return { image: image as MachineImage, made: true };
}

const describe = ({ hash, release }: Recipe, architecture: Architecture) =>
  `image ${hash.slice(0, 10)}${release ? ` with release ${release.id}` : ""} (${architecture})`;

const bakeTask = (recipe: Recipe, architecture: Architecture): OneOffTask => ({
  work: { kind: "bake", archive: recipe, release: recipe.release },
  about: `${recipe.hash}-${architecture}`,
  step: describe(recipe, architecture),
  timeoutMs: BAKE_MS_MAX,
  architecture,
});

const bake = (context: ReleaseContext, hash: string, task: OneOffTask): Promise<string> =>
  runOneOffTask(context, task, async ({ ok, step = "", code = 1, tail }, machine) => {
    if (!ok) throw stepFailed(step, code, tail);
    return context.driver.images.keep(machine, { hash, architecture: task.architecture });
  });

const stepFailed = (step: string, code: number, tail: string[]) =>
  new LandfallError({
    code: "RECIPE_STEP_FAILED",
    what: `the recipe's step "${step}" ended with status ${code} on the machine that makes the image`,
    where: "recipe in landfall.config.ts",
    evidence: tail.slice(-12).map((line, index): [string, string] => [index === 0 ? "last lines" : "", line]),
    standing: "No image was made, and its machine is terminated. The live release is not affected.",
    ...(explainUnreached(tail) ?? { next: "make the step work on Debian 13 in a folder that holds only recipe.files, then run the command again" }),
  });
