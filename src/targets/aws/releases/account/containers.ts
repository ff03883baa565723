// Container images of a release: made on this machine from the release's files, pushed under the release's id, and known by their digests.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Service } from "../../../../config/schema.ts";
import { LandfallError } from "../../../../error.ts";
import { dockerfileOf, RELEASE_FOLDER } from "../../../../machine/dockerfile.ts";
import { during } from "../../../../progress.ts";
import type { Release } from "../../../../release/release.ts";
import type { Source } from "../../../../release/source.ts";
import { writeFiles } from "../../../write-files.ts";
import type { Context } from "../../context.ts";
import type { EnvironmentOutputs } from "../../environment-outputs.ts";
import type { ContainerImages } from "../driver.ts";
import { buildImage, type Engine, findEngine, pushImage, type Registry } from "./container-builder.ts";

/** Services whose image is one and the same. */
interface Wanted {
  services: string[];
  settings: Service;
  tag: string;
}

const GENERATED = "Dockerfile";

/**
 * An image for each service of the release that runs as containers, made only if the registry does not have it. Errors:
 * CONTAINER_ENGINE_MISSING, CONTAINER_BUILD_FAILED, CONTAINER_PUSH_FAILED, CONTAINER_FILE_MISSING.
 */
export async function ensureContainers(context: Context, outputs: EnvironmentOutputs, release: Release, source: Source): Promise<ContainerImages> {
  const images = imagesOf(release);
  if (images.length === 0) return {};
  const uri = outputs.get("shared", "ImagesUri");
  const digests: ContainerImages = {};
  let engine: Engine | undefined;
  let registry: Registry | undefined;
  for (const image of images) {
    const name = `container image ${image.tag}`;
    let digest = await findDigest(context, uri, image.tag);
    if (digest !== undefined) context.emit({ type: "unchanged", step: name, text: `${name} is in the registry already` });
    else
      await during(context.emit, name, name, async () => {
        engine ??= await findEngine();
        const output = (line: string) => context.emit({ type: "output", step: name, line });
        await build(context, engine, image, source, `${uri}:${image.tag}`, output);
        registry ??= await logIn(context);
        await pushImage(engine, `${uri}:${image.tag}`, registry, output, context.signal);
        digest = await findDigest(context, uri, image.tag);
        return `${name} made by ${engine.program} and pushed: ${digest}`;
      });
    if (digest === undefined) throw imageGone(`${uri}:${image.tag}`, release.id);
    for (const service of image.services) digests[service] = `${uri}@${digest}`;
  }
  return digests;
}

/** Whether its images could be begun here. Errors: CONTAINER_FILE_MISSING, CONTAINER_ENGINE_MISSING. */
export async function assertBuildable(release: Release, source: Source): Promise<void> {
  const images = imagesOf(release);
  for (const { settings } of images) dockerfileIn(source, containerOf(settings));
  if (images.length > 0) await findEngine();
}

/** Errors: RELEASE_UNKNOWN when the registry has dropped an image of a release that is to come back. */
export async function requireContainers(context: Context, images: ContainerImages, release: string): Promise<void> {
  for (const image of new Set(Object.values(images))) {
    const [uri = "", digest = ""] = image.split("@");
    if (!(await hasImage(context, uri, { imageDigest: digest }))) throw imageGone(image, release);
  }
}

/** The first has the release's id as its tag, further ones a number behind it. */
export function imagesOf({ id, services }: Pick<Release, "id" | "services">): Wanted[] {
  const images = new Map<string, Wanted>();
  for (const [service, settings] of Object.entries(services)) {
    const { container, stop } = settings;
    if (!container) continue;
    const key = JSON.stringify([container.dockerfile ?? stop.signal, container.dockerfile === undefined, container.architecture]);
    const image = images.get(key);
    if (image) image.services.push(service);
    else images.set(key, { services: [service], settings, tag: images.size === 0 ? id : `${id}-${images.size + 1}` });
  }
  return [...images.values()];
}

const repositoryOf = (uri: string) => uri.slice(uri.indexOf("/") + 1);

async function findDigest(context: Context, uri: string, imageTag: string): Promise<string | undefined> {
  return (await hasImage(context, uri, { imageTag }))?.imageDigest;
}

async function hasImage({ clients }: Context, uri: string, id: { imageTag?: string; imageDigest?: string }) {
  try {
    const { imageDetails = [] } = await (await clients.ecr()).describeImages({ repositoryName: repositoryOf(uri), imageIds: [id] });
    return imageDetails[0];
  } catch (error) {
    if (error instanceof Error && error.name === "ImageNotFoundException") return undefined;
    throw error;
  }
}

async function logIn({ clients }: Context): Promise<Registry> {
  const { authorizationData = [] } = await (await clients.ecr()).getAuthorizationToken({});
  const { authorizationToken = "", proxyEndpoint = "" } = authorizationData[0] ?? {};
  const [user = "", password = ""] = Buffer.from(authorizationToken, "base64").toString("utf8").split(":");
  return { user, password, host: proxyEndpoint.replace(/^https?:\/\//, "") };
}

async function build(context: Context, engine: Engine, { settings }: Wanted, source: Source, image: string, emit: (line: string) => void) {
  const { architecture } = containerOf(settings);
  const dockerfile = dockerfileIn(source, containerOf(settings));
  const folder = mkdtempSync(join(tmpdir(), "landfall-container-"));
  try {
    // A .dockerignore of the app's is about its own Dockerfile, and is not found beside ours.
    await writeFiles(dockerfile === undefined ? join(folder, RELEASE_FOLDER) : folder, source.files);
    if (dockerfile === undefined) writeFileSync(join(folder, GENERATED), dockerfileOf(context.deployment, settings));
    await buildImage(engine, { folder, dockerfile: dockerfile ?? GENERATED, image, architecture, emit, signal: context.signal });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const containerOf = ({ container }: Service) => container as NonNullable<Service["container"]>;

/** The app's own, if it is in the release. Errors: CONTAINER_FILE_MISSING. */
function dockerfileIn(source: Source, { dockerfile }: NonNullable<Service["container"]>): string | undefined {
  if (dockerfile !== undefined && !source.files.some(({ path }) => path === dockerfile)) throw fileMissing(dockerfile, source);
  return dockerfile;
}

const fileMissing = (dockerfile: string, source: Source) =>
  new LandfallError({
    code: "CONTAINER_FILE_MISSING",
    what: `the Dockerfile "${dockerfile}" is not in the release`,
    where: "container.dockerfile in landfall.config.ts",
    why: `Looked in: ${source.description}.`,
    standing: "Nothing was changed.",
    next: `git add ${dockerfile} && git commit   (or take the key away: the image is then made from the recipe)`,
  });

const imageGone = (image: string, release: string) =>
  new LandfallError({
    code: "RELEASE_UNKNOWN",
    what: `the registry does not have the container image "${image}" of release ${release}`,
    why: "It keeps the newest 50 images of an app.",
    standing: "Nothing was changed.",
    next: "deploy the commit of that release again: its image is then made anew",
  });
