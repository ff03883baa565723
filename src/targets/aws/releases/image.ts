// Machine images: made once for each recipe and architecture by a machine that runs the bake script, found again by their tags, and shared
// by every environment of the app in the region.
import { createHash } from "node:crypto";
import type { Image } from "@aws-sdk/client-ec2";
import { LandfallError } from "../../../error.ts";
import { bakeScript, errandScript, imageHash, type ReleaseArtifact } from "../../../machine/index.ts";
import { during } from "../../../progress.ts";
import { packSource } from "../../../release/pack.ts";
import { recipeFiles } from "../../../release/recipe.ts";
import type { Source, SourceFile } from "../../../release/source.ts";
import { pollEvery } from "../cloudformation/poll.ts";
import type { Context } from "../context.ts";
import { type Errand, endErrands, observeMachine, runErrand } from "./errand.ts";
import { hasObject, putObject } from "./objects.ts";
import { type Architecture, architectureOf, builderMachine, onMachines, type Site } from "./site.ts";

export const IMAGE_TAG = "landfall:image";
const ARCHITECTURE_TAG = "landfall:architecture";
const BAKE_MINUTES_MAX = 60;
/** Cheap, and large enough for a package manager and a compiler. */
const BUILDER_TYPES = { arm64: "t4g.medium", amd64: "t3.medium" } as const;
/** AWS's own record of the newest Debian 13 of each architecture. */
const baseParameter = (architecture: Architecture) => `/aws/service/debian/release/13/latest/${architecture}`;

export const builderType = (architecture: Architecture): string => BUILDER_TYPES[architecture];

/** What an image is made from, in the artifact bucket: it can be made again when its source is long gone. */
export interface Recipe {
  hash: string;
  key: string;
  sha256: string;
  /** Baked in as well. */
  release?: ReleaseArtifact;
}

/** Puts the bake script and the recipe's files into the bucket, unless they are there, or nothing runs on machines. Errors: RECIPE_FILE_MISSING. */
export async function ensureRecipe(context: Context, bucket: string, source: Source): Promise<Recipe | undefined> {
  const { app } = context.app;
  if (Object.keys(onMachines(app)).length === 0) return undefined;
  const hash = await imageHash(app, source);
  const bake: SourceFile = { path: "bake.sh", mode: 0o755, content: () => Buffer.from(bakeScript(app)) };
  const files = recipeFiles(app.recipe, source).map((file) => ({ ...file, path: `files/${file.path}` }));
  const { bytes, sha256 } = await packWhole({ ...source, files: [bake, ...files] });
  const key = `recipes/${hash}/${sha256}.tar.gz`;
  if (!(await hasObject(context, bucket, key))) await putObject(context, bucket, key, bytes);
  return { hash, key, sha256 };
}

export async function packWhole(source: Source): Promise<{ bytes: Buffer; sha256: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of packSource(source)) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** By architecture, the ids of images. */
export type Images = Partial<Record<Architecture, string>>;

/** An image for each architecture that the app's services run on. `made` tells whether one had to be. Errors: RECIPE_STEP_FAILED, ERRAND_LOST, AWS_*. */
export async function ensureImages(context: Context, site: Site, recipe: Recipe | undefined): Promise<{ images: Images; made: boolean }> {
  if (!recipe) return { images: {}, made: false };
  const types = Object.values(onMachines(context.app.app)).map(({ machine }) => machine.types[0] as string);
  const architectures = [...new Set(types.map(architectureOf))];
  const results = await Promise.all(
    architectures.map(async (architecture) => ({ architecture, ...(await ensureImage(context, site, recipe, architecture)) })),
  );
  return { images: Object.fromEntries(results.map(({ architecture, id }) => [architecture, id])), made: results.some(({ made }) => made) };
}

/** What instances of a release boot from: the images of its recipe, or ones that hold the release too. */
export async function ensureBootImages(
  context: Context,
  site: Site,
  { recipe, artifact }: { recipe?: Recipe; artifact: ReleaseArtifact },
): Promise<{ images: Images; made: boolean }> {
  if (!recipe || context.app.app.recipe.image === "recipe") return ensureImages(context, site, recipe);
  return ensureImages(context, site, { ...recipe, hash: `${recipe.hash}-${artifact.id}`, release: artifact });
}

async function ensureImage(context: Context, site: Site, recipe: Recipe, architecture: Architecture): Promise<{ id: string; made: boolean }> {
  const name = nameOf(recipe, architecture);
  const found = await findImage(context, recipe.hash, architecture);
  // Its machine may have been left by a run that was killed, or refused, after the image was asked for.
  const endBuilder = () => endErrands(context, { kind: "bake", about: `${recipe.hash}-${architecture}` });
  if (found?.State === "available") {
    await endBuilder();
    context.emit({ type: "unchanged", step: "image", text: `${name} is there already` });
    return { id: found.ImageId as string, made: false };
  }
  let id = "";
  await during(context.emit, name, name, async () => {
    id = found?.ImageId ?? (await bake(context, site, recipe, architecture));
    await waitAvailable(context, id);
    await endBuilder();
    return `${name} made: ${id}`;
  });
  return { id, made: true };
}

const nameOf = ({ hash, release }: Recipe, architecture: Architecture) =>
  `image ${hash.slice(0, 10)}${release ? ` with release ${release.id}` : ""} (${architecture})`;

async function findImage({ clients, app: { app } }: Context, hash: string, architecture: Architecture): Promise<Image | undefined> {
  const { Images = [] } = await (await clients.ec2()).describeImages({
    Owners: ["self"],
    Filters: [
      { Name: "tag:landfall:app", Values: [app.name] },
      { Name: `tag:${IMAGE_TAG}`, Values: [hash] },
      { Name: `tag:${ARCHITECTURE_TAG}`, Values: [architecture] },
    ],
  });
  return Images.find(({ State }) => State === "available") ?? Images.find(({ State }) => State === "pending");
}

async function bake(context: Context, site: Site, recipe: Recipe, architecture: Architecture): Promise<string> {
  const { Parameter } = await (await context.clients.ssm()).getParameter({ Name: baseParameter(architecture) });
  const region = await (await context.clients.ec2()).config.region();
  return runErrand(
    context,
    {
      kind: "bake",
      about: `${recipe.hash}-${architecture}`,
      step: nameOf(recipe, architecture),
      bucket: site.bucket,
      machine: builderMachine(context, site, Parameter?.Value ?? "", builderType(architecture)),
      script: (id) =>
        errandScript({ kind: "bake", id, bucket: site.bucket, region, minutesMax: BAKE_MINUTES_MAX, archive: recipe, release: recipe.release }),
      timeoutMs: BAKE_MINUTES_MAX * 60_000,
      tags: {},
    },
    async (report, errand) => {
      if (!report.ok) throw stepFailed(report.step ?? "", report.code ?? 1, report.tail);
      await standStill(context, errand);
      return createImage(context, errand, recipe.hash, architecture);
    },
  );
}

/** An image of a running machine would hold files half written. */
async function standStill(context: Context, errand: Errand): Promise<void> {
  await (await context.clients.ec2()).stopInstances({ InstanceIds: [errand.instance] });
  for await (const _ of pollEvery(context)) if ((await observeMachine(context, errand))?.State?.Name === "stopped") return;
}

async function createImage({ clients, app: { app } }: Context, { instance }: Errand, hash: string, architecture: Architecture): Promise<string> {
  const Tags = Object.entries({
    Name: `${app.name} ${hash}`,
    "landfall:app": app.name,
    [IMAGE_TAG]: hash,
    [ARCHITECTURE_TAG]: architecture,
  }).map(([Key, Value]) => ({ Key, Value }));
  const { ImageId = "" } = await (await clients.ec2()).createImage({
    InstanceId: instance,
    // A name is unique in an account and region: the same image is never made twice.
    Name: `landfall-${app.name}-${hash}-${architecture}`,
    Description: `Made by Landfall for ${app.name}`,
    NoReboot: true,
    TagSpecifications: (["image", "snapshot"] as const).map((ResourceType) => ({ ResourceType, Tags })),
  });
  return ImageId;
}

async function waitAvailable(context: Context, id: string): Promise<void> {
  const ec2 = await context.clients.ec2();
  for await (const _ of pollEvery(context)) {
    const { Images = [] } = await ec2.describeImages({ ImageIds: [id] }).catch((error: unknown) => {
      // EC2 may not know yet what it has just begun to make.
      if (error instanceof Error && error.name === "InvalidAMIID.NotFound") return { Images: [] };
      throw error;
    });
    const { State, StateReason } = Images[0] ?? {};
    if (State === "available") return;
    if (State === "pending" || State === undefined) continue;
    await ec2.deregisterImage({ ImageId: id });
    throw new LandfallError({
      code: "AWS_FAILED",
      what: `AWS could not make the image "${id}"`,
      why: StateReason?.Message ?? `it is ${State}`,
      standing: "It is removed again. What serves goes on serving.",
      next: "run the command again later",
    });
  }
}

const stepFailed = (step: string, code: number, tail: string[]) =>
  new LandfallError({
    code: "RECIPE_STEP_FAILED",
    what: `the recipe's step "${step}" ended with status ${code} on the machine that makes the image`,
    where: "recipe in landfall.config.ts",
    evidence: tail.slice(-12).map((line, index): [string, string] => [index === 0 ? "last lines" : "", line]),
    standing: "No image was made, and its machine is terminated. What serves goes on serving.",
    next: "make the step work on Debian 13 in a folder that holds only recipe.files, then run the command again",
  });
